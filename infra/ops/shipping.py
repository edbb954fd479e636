"""The audit trail's way to the hub's ledger: whatever the bus has not taken yet, as soon as it answers."""

from __future__ import annotations

from collections.abc import Collection

import httpx
import msgspec

from infra import audit, stacks
from infra.errors import NotVerified, Unreachable
from infra.ops.output import say
from infra.plan import plan_lab
from infra.resources.announce import announce_each
from node_image.protocol import trail

ANSWER_S = 1.0  # a responder waits for it; what is not sent now goes the next time


class Held(msgspec.Struct, frozen=True):
    """The ledger's `/v1/audit`: the lines that it holds, by their SHA-256, oldest first."""

    digests: tuple[str, ...]


def ship(lab: str) -> bool:
    """Whether the lab's bus has all lines now; one that is away gets them the next time."""
    hub = stacks.find(lab)
    found, sent = audit.lines(), audit.shipped(lab)
    if hub is None:
        return False
    try:
        if sent < len(found):
            announce_each(plan_lab(hub.slot).bus, trail.SUBJECT, found[sent:], answer_s=ANSWER_S)
    except Unreachable:
        say(f"the audit trail goes to {lab} later: its bus does not answer")
        return False
    audit.ship(lab, len(found))
    return True


def compare(lab: str) -> str:
    """What the lab's ledger says of the trail; NotVerified where it holds lines that are not here any more."""
    hub = stacks.find(lab)
    if hub is None:
        return f"{lab} is not known here"
    try:
        answer = httpx.get(f"{plan_lab(hub.slot).ledger_url}/v1/audit", timeout=ANSWER_S, trust_env=False)
        held = msgspec.json.decode(answer.raise_for_status().content, type=Held)
    except (httpx.HTTPError, msgspec.MsgspecError) as fault:
        return f"{lab}: its ledger does not answer ({type(fault).__name__})"
    return judge(lab, held, audit.lines())


def judge(lab: str, held: Held, lines: Collection[bytes]) -> str:
    """A line that is at the ledger and not here was here once: the owner signed it."""
    gone = set(held.digests) - {trail.digest(line) for line in lines}
    if gone:
        raise NotVerified(
            f"{lab}'s ledger holds {len(gone)} lines that this trail has not: it was cut short, or is another one",
            audit.KEEP,
        )
    return f"{lab}: its ledger holds {len(held.digests)} of them"
