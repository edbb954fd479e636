"""`edgedrop rotate`: the next epoch of a node, with a key and leases of its own; no claim is lost or refused meanwhile.

Each step is recorded before it is done and may be repeated, so that the same command goes on where a killed one stood.
An epoch takes nothing from those before it: their vouchers redeem as ever, their claims are answered as before.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import msgspec
import typer

from infra import epochs
from infra.audit import audited
from infra.epochs import Recorded
from infra.errors import BadUsage, EdgedropError
from infra.ops.acting import AsJson, Drop, Yes
from infra.ops.aside import aside
from infra.ops.closeout import close_out, only_open
from infra.ops.epoch import Known, finish, free_leases, given, known_node, prove, ranges
from infra.ops.output import confirm, say, tell
from infra.ops.place import find_place
from infra.ops.standing import Standing, standing
from infra.ops.up import bring_up
from infra.plan.model import Lease, Node
from node_image.hub.chain import Status

NOTHING = "nothing is left for another epoch of it; what others have closed out is opened without --close"


def rotate(
    node: Annotated[str, typer.Argument(help="A node of the drop.")],
    drop: Drop = None,
    close: Annotated[
        bool,
        typer.Option("--close", help="Close its newest epoch out first; the next one gets what it has left."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Open a node's next epoch: a new key in its HSM, leases on chain; the epochs before it go on as they are."""
    known = known_node(find_place(drop, None, None), node)
    wanted = _wanted(known, close=close)
    before = standing(known.place, known.older(wanted.epoch)[-1].grant_id)
    before.tell()
    for line in _words(known, wanted):
        say(line)
    confirm(f"open epoch {wanted.epoch} of {node}", yes=yes)
    with epochs.alone():
        wanted = _recorded(known, wanted)
    with audited("rotate", known.stack.name, [node]), aside(known.stack.name, known.geography, node):
        if not wanted.leases:
            wanted = _close(known, wanted)
        say(f"opening {ranges(known.plan, wanted.leases)}")
        bring_up((known.holder,), {node})
        now = prove(known, wanted)
    finish(known, wanted)
    _report(known, wanted, before, now, as_json=as_json)


def _wanted(known: Known, *, close: bool) -> Recorded:
    """The epoch that was begun and not finished, else the next one; nothing is changed yet."""
    begun = known.latest()
    if begun is not None and not begun.done:
        if begun.reserve:
            raise BadUsage(
                f"epoch {begun.epoch} of {known.node.name} is being opened out of the fallback reserve",
                f"first: edgedrop fallback open --geo {known.node.geo} --node {known.node.name}",
            )
        say(f"epoch {begun.epoch} of {known.node.name} was begun before: this goes on with it")
        return begun
    newest, epoch = known.node.each()[-1], known.next_epoch()
    if not close:
        return Recorded(epoch, leases=_free(known))
    if begun is not None and begun.reserve:
        raise BadUsage(
            f"epoch {newest.epoch} of {known.node.name} is of the fallback reserve, which no rotation leases anew",
            "close it out by edgedrop closeout; then edgedrop fallback open gives what it had left",
        )
    _closable(known, newest)
    return Recorded(epoch, closes=newest.epoch)


def _closable(known: Known, newest: Node) -> None:
    """Whether ending it gives anything back."""
    now = standing(known.place, newest.grant_id)
    if now.status is not Status.CLOSED:
        only_open(now)
        quota = sum(held.quota for held in now.leases)
        if now.issued is not None and now.issued >= quota:
            raise BadUsage(f"{newest.name} has given all {quota} tokens of epoch {newest.epoch}", NOTHING)


def _free(known: Known) -> tuple[Lease, ...]:
    """What is free for this node; BadUsage where nothing is."""
    found = free_leases(known)
    if not found:
        raise BadUsage(
            f"nothing of {known.plan.drop} is free: all but the fallback reserve is in leases",
            "add --close: what the node's newest epoch has left becomes the next one's",
        )
    return found


def _recorded(known: Known, wanted: Recorded) -> Recorded:
    """On record before anything is done; what is free is asked again now that nobody else chooses."""
    if known.latest() != wanted:
        wanted = msgspec.structs.replace(wanted, leases=_free(known) if wanted.closes is None else ())
        epochs.put(known.stack.name, known.node.name, wanted)
    return wanted


def _close(known: Known, wanted: Recorded) -> Recorded:
    """The epoch before it ends; its remainder, and nothing else, is the next one's."""
    name, stack = known.node.name, known.stack.name
    closes = next(one for one in known.node.each() if one.epoch == wanted.closes)
    try:
        ended = close_out(known.place, name, closes.epoch)
    except BadUsage:  # frozen or revoked meanwhile: there is nothing to go on with
        epochs.drop_newest(stack, name)
        raise
    say(f"epoch {closes.epoch} is closed, {ranges(known.plan, given(ended))} were given and redeem as before")
    with epochs.alone():
        leases = free_leases(known, closes)
        if not leases:
            epochs.drop_newest(stack, name)
            raise EdgedropError(f"{name} had given all tokens of epoch {closes.epoch}", NOTHING)
        found = msgspec.structs.replace(wanted, leases=leases)
        epochs.put(stack, name, found)
    return found


def _words(known: Known, wanted: Recorded) -> list[str]:
    """What will be."""
    others = ", ".join(str(one.epoch) for one in known.older(wanted.epoch))
    ends = f"closes epoch {wanted.closes} for ever, and " if wanted.closes is not None else ""
    what = ranges(known.plan, wanted.leases) if wanted.leases else f"what epoch {wanted.closes} has left"
    return [
        f"this {ends}opens epoch {wanted.epoch} of {known.node.name}, with a new key in its HSM: {what}",
        f"vouchers of epoch {others} redeem as before, and their claims are answered as before",
    ]


def _report(known: Known, wanted: Recorded, before: Standing, now: Standing, *, as_json: bool) -> None:
    closed = None if wanted.closes is None else standing(known.place, known.grant_id(wanted.closes))
    say(f"done: epoch {wanted.epoch}, grant {now.grant_id}, key {now.key}")
    say(f"the chain says: open, {ranges(known.plan, wanted.leases)}; {known.node.name} sells from it")
    if as_json:
        answer: dict[str, Any] = {
            "act": "Rotate",
            "node": known.node.name,
            "epoch": wanted.epoch,
            "contract": known.place.contract,
            "chain_id": known.place.chain_id,
            "before": before.data(),
            "closed": closed and {"epoch": wanted.closes, **closed.data()},
            "leases": [asdict(one) for one in wanted.leases],
            "now": now.data(),
            "unseen": list(now.unseen),
        }
        tell(answer)
