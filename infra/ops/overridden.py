"""Which nodes of a drop run another release than the wanted one for a while, as this machine's overrides say."""

from __future__ import annotations

from infra import overrides, release
from infra.ops.drops import plan_of
from infra.overrides import Override
from infra.stacks import Stack


def overridden(stack: Stack) -> tuple[Override, ...]:
    """Those in force; NotVerified where one of them is not the owner's word, or its release isn't here."""
    plan = plan_of(stack)
    wanted = release.wanted_digest(stack.lab, plan.release)
    found = overrides.all_in_force(plan.stack, (node.name for node in plan.nodes), wanted)
    for one in found:
        overrides.release_of(one)
    return found
