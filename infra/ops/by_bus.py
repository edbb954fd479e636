"""`edgedrop command <node> reimage`: a release on a box that SSH does not reach; its own engine pulls, by its uplink.

What may be seen goes to the hub first, signed by the owner; the command names it by digest. Files that hold secrets
stay those that the box has: where they are to change, it refuses, and `edgedrop reimage` is the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra import overrides, stacks
from infra import release as releases
from infra.audit import audited
from infra.errors import EdgedropError
from infra.node_settings import node_settings
from infra.ops import following
from infra.ops.aside import aside
from infra.ops.drops import plan_of
from infra.ops.looking import Target
from infra.ops.output import answer, confirm, say, tell
from infra.overrides import Override
from infra.plan import plan_lab
from infra.provision import commands, parcels
from infra.provision.parcels import Parcel
from infra.release import Release
from infra.stacks import Stack
from node_image.protocol.command import Reimage
from node_image.recovery.answer import Answer

TAKE_S = 600.0  # the agent fetches the parcel first
MIB = 1 << 20


def reimage(stack: Stack, target: Target, name: str | None, *, again: bool, yes: bool, as_json: bool) -> None:
    """From words to proof, as `edgedrop reimage` does it over SSH."""
    node = target.node.name
    release = releases.chosen(stack.lab, name, plan_of(stack).release)
    made = _parcel(stack, target, release)
    say(f"{node} is given release {release.digest[:12]} by the bus: {made.size / MIB:.1f} MiB of documents and files")
    say("its engine pulls the images by its own uplink; journal, keys and what holds secrets stay as they are")
    say("if it is not well on it within a minute, what runs now is back by itself")
    confirm(f"re-image {node}", yes=yes)
    with audited("command: reimage", stack.drop_stack, [node], f"release {release.digest[:12]}"):
        parcels.leave(target.wire.bus, made)
        with aside(stack.drop_stack, target.geo, node), counting(stack, node, release.digest):
            told = _told(target, Reimage(release.digest, made.document, again))
            if told.refused:
                raise following.refusal(node, told.refused)
            state = following.switched(target.wire, fetches=True)
    if as_json:
        tell({"act": "Reimage", "node": node, **state})
    else:
        answer(f"[green]done[/]: {node} runs release {state['release'][:12]}")


@contextmanager
def counting(stack: Stack, node: str, digest: str) -> Iterator[None]:
    """From before the box is told, `up` leaves the release there; where it failed, what counted before counts again."""
    before = overrides.read(stack.drop_stack, node)
    overrides.put(stack.drop_stack, node, _override(stack, node, digest, "by the bus"))
    try:
        yield
    except EdgedropError:
        overrides.put(stack.drop_stack, node, before)
        raise


def rolled_back(stack: Stack, node: str, digest: str) -> str:
    """What counts now that the box went back to a release, in words."""
    try:
        releases.envelope(digest)
    except OSError:
        return "that is not known here, so edgedrop up puts the wanted one there"
    found = _override(stack, node, digest, "rolled back")
    overrides.put(stack.drop_stack, node, found)
    return found.words() if found else "the one that is wanted"


def _override(stack: Stack, node: str, digest: str, why: str) -> Override | None:
    wanted = releases.wanted_digest(stack.lab, plan_of(stack).release)
    return overrides.differing(stack.drop_stack, node, digest, wanted, why, overrides.lasting(overrides.LASTING))


def _told(target: Target, action: Reimage) -> Answer:
    """A box whose uplink is slow fetches for longer than its question is open; what it fetched it keeps."""
    told = commands.tell(target.wire, action, TAKE_S)
    if told.refused and told.refused.code == "stale_nonce":
        say(f"{target.node.name} has fetched it, and is told again")
        return commands.tell(target.wire, action, TAKE_S)
    return told


def _parcel(stack: Stack, target: Target, release: Release) -> Parcel:
    hub = plan_lab(stacks.load(stack.lab).slot)
    settings = node_settings(plan_of(stack), target.node, target.host.stack, hub, release)
    return parcels.parcel_of(settings, releases.envelope(release.digest))
