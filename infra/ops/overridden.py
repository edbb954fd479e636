"""Which nodes of a drop run another release than the wanted one for a while, as this machine's overrides say."""

from __future__ import annotations

from infra import overrides, release
from infra.ops.drops import plan_of
from infra.overrides import Override
from infra.stacks import Stack


def overridden(stack: Stack) -> tuple[Override, ...]:
    """Those in force; NotVerified where one of them is not the owner's word."""
    plan = plan_of(stack)
    wanted = release.wanted_digest(stack.lab, plan.release)
    return overrides.all_in_force(plan.stack, (node.name for node in plan.nodes), wanted)
