"""An elastic spare comes and goes: each step is on record before it is done and may be repeated.

coming -> up -> closing -> closed -> gone (`infra/elastic.py`). Whoever is killed, `go_on` goes on where it stood.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import msgspec

from infra import audit, elastic, epochs, stacks
from infra.elastic import Held, Stage
from infra.epochs import Recorded
from infra.errors import EdgedropError, Unreachable
from infra.ops import elastic_stack, fronts
from infra.ops.closeout import close_out
from infra.ops.epoch import Known, free_leases
from infra.ops.output import say
from infra.ops.place import Place, ask_ledger, find_place
from infra.ops.served import ANSWER_S, SEEN_S, in_service
from infra.ops.shipping import ship
from infra.ops.standing import standing
from infra.plan.model import DropPlan, Geography
from infra.stacks import Stack
from node_image.hub.chain import Status

POLL_S = 0.2
COME, GO = "autoscale up", "autoscale down"
STANDING: tuple[Stage, ...] = ("coming", "up", "closing")
BEGUN: tuple[Stage, ...] = ("coming", "closing", "closed")
ENDED = (Status.REVOKED, Status.CLOSED)  # nothing more is signed under it that redeems


@dataclass(frozen=True, slots=True)
class Where:
    """A geography with elastic spares, of a drop that stands."""

    stack: Stack  # the drop's
    plan: DropPlan
    geo: Geography

    @property
    def held(self) -> Held:
        """What is on record of it."""
        return elastic.of(self.stack.name, self.geo.name)

    def put(self, held: Held) -> None:
        """On record."""
        elastic.put(self.stack.name, self.geo.name, held)


def come(where: Where, count: int, why: str) -> None:
    """So many more, those with the lowest numbers; they cost from now on. EdgedropError where nothing is free."""
    there, place = where.held.at(*STANDING, "closed"), find_place(where.stack.name, None, None)
    absent = [node for node in where.geo.elastic if node.name not in there][:count]
    names = [node.name for node in absent if _leased(Known(place, where.plan, where.stack, node))]
    if not names:
        raise EdgedropError(
            f"nothing of {where.plan.drop} is free for {absent[0].name} to sell",
            "what was kept for it was sold, or a rotation took it",
        )
    begun = audit.append(COME, where.stack.name, names, why, audit.BEGUN)
    where.put(where.held.began(names, time.time(), begun, why))
    say(f"{', '.join(names)} to come up: {why}")
    go_on(where)


def go(where: Where, count: int, why: str) -> None:
    """So many less, those with the highest numbers; nothing is begun while their leases can't be closed out."""
    there = where.held.at("up")
    names = [node.name for node in reversed(where.geo.elastic) if node.name in there][:count]
    _can_close(find_place(where.stack.name, None, None), names)
    begun = audit.append(GO, where.stack.name, names, why, audit.BEGUN)
    where.put(where.held.moved(names, "closing", trail=begun, why=why))
    say(f"{', '.join(names)} to go: {why}")
    go_on(where)


def call_off(where: Where, why: str) -> None:
    """Those that were to come go as if they were up: what they have of it ends as it must."""
    names = where.held.at("coming")
    begun = audit.append(GO, where.stack.name, names, why, audit.BEGUN)
    where.put(where.held.moved(names, "closing", trail=begun, why=why))
    say(f"{', '.join(names)} called off: {why}")


def go_on(where: Where) -> None:
    """Whatever was begun is done; where it can't be, EdgedropError, and it stays begun."""
    own = stacks.elastic_of(where.stack, where.geo.name)
    elastic_stack.settle(own)
    for name in where.held.at("closing"):
        _close(where, name)
        where.put(where.held.moved([name], "closed"))
    coming, closed = where.held.at("coming"), where.held.at("closed")
    if not coming and not closed:
        return
    elastic_stack.converge(own, stand=bool(where.held.at(*STANDING)))
    for name in (*closed, *coming):  # one that was drained is just down, or takes buyers
        fronts.give_back(where.stack.name, where.geo, name)
    _finish(where, closed, "gone", to_s=time.time())
    for name in coming:
        _done(where.stack.name, name)
    _finish(where, coming, "up")
    _await_served(where.geo, coming)
    ship(where.stack.lab)


def unfinished(held: Held) -> bool:
    """Whether something was begun."""
    return bool(held.at(*BEGUN))


def _leased(known: Known) -> bool:
    """What it is to sell is on record: an epoch that it never sold from, else its next; false where nothing is free."""
    newest = known.latest()
    if newest is not None and not newest.done:
        return True
    with epochs.alone():
        leases = free_leases(known)
        if leases:
            epochs.put(known.stack.name, known.node.name, Recorded(known.next_epoch(), leases=leases))
    return bool(leases)


def _done(drop: str, name: str) -> None:
    """Its newest epoch sells, or has sold: nothing goes on with it any more."""
    newest = epochs.read(drop)[name][-1]
    epochs.put(drop, name, msgspec.structs.replace(newest, done=True))


def _can_close(place: Place, names: Sequence[str]) -> None:
    """Chain and ledger answer: without them a lease can't end, and what is left of it would be nobody's."""
    _, unseen = ask_ledger(place, f"/v1/drops/{place.drop}")
    if unseen:
        raise Unreachable(f"{', '.join(names)} should go and can't be closed out: {unseen}", "it is tried again")


def _close(where: Where, name: str) -> None:
    """Nobody is sent there, its last answer is waited for, its journal is at the ledger, its lease has ended."""
    place = find_place(where.stack.name, None, None)
    newest = place.node(name)
    now = standing(place, newest.grant_id) if newest else None
    if newest is None or now is None or now.status is Status.NONE:
        return  # it never had a lease on chain
    if now.status not in ENDED:
        fronts.tell(where.stack.name, where.geo, {name: "drain"})
        with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
            fronts.await_last(client, where.geo, {name})
        now = close_out(place, name, newest.epoch)
        say(f"{name}: closed out; {now.issued or 0} were given and redeem as before, the rest is free again")
    _done(where.stack.name, name)


def _finish(where: Where, names: Sequence[str], stage: Stage, to_s: float | None = None) -> None:
    """In the trail, and on record: killed in between, the trail has it twice."""
    held = where.held
    for one in held.stints:
        if one.node in names and one.stage in BEGUN:
            what = COME if one.stage == "coming" else GO
            audit.append(what, where.stack.name, [one.node], one.why, audit.DONE, of=one.trail)
            say(f"{one.node} is {stage}")
    if names:
        where.put(held.moved(names, stage, to_s=to_s))


def _await_served(geo: Geography, names: Sequence[str]) -> None:
    """Until its front sends them buyers."""
    deadline, missing = time.monotonic() + SEEN_S, set(names)
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
        while missing := missing - in_service(client, geo):
            if time.monotonic() > deadline:
                say(f"[bold yellow]{', '.join(sorted(missing))}: ready, and the front of {geo.name} sends nobody[/]")
                return
            time.sleep(POLL_S)  # the pace of asking
