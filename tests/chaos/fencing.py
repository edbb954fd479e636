"""An appliance is stopped, killed or cut off under claims and comes back, over and over: nothing unfenced is accepted.

Real mints, signers, fronts and chains of this machine. Buyers ask by the front; those at the site ask the appliance
itself, also while the front has given it up. Meanwhile its grant meets a fate (tests/chaos/fencing_fates.py). After
each cycle all vouchers go to the chain, in any order. `CYCLES` says how many cycles there are, `SEED` which.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from node_image.hub.redemption import Reason
from tests.bench.failover_load import Wish
from tests.chaos.contract_planted import compiled, solc_missing
from tests.chaos.fencing_fates import FATES, Cycle, Fate
from tests.chaos.fencing_place import Place, place
from tests.chaos.outcome import Outcome
from tests.chaos.planted_fencing import BUGS, Bug

CYCLES = int(os.environ.get("CYCLES", "200"))
SEED = int(os.environ.get("SEED", "1"))
LANES = 4  # places side by side: most of a cycle is waiting
BEFORE, UNDER, DOUBLED, FRESH = 8, 60, 8, 4  # claims before and under the fault, asked twice, asked after it
FAULTS = {"hung": "stopped", "killed": "killed", "disconnected": "cut off"}
KINDS = [(fault, fate) for fate, fault in product(FATES, FAULTS)]


@dataclass(frozen=True, slots=True)
class Told:
    """Of one cycle."""

    fault: str
    fate: str
    wrong: list[str]
    claims: int
    refused: Counter[Reason]


def run() -> list[Outcome]:
    """All cycles, then each planted bug in the cycles that are to show it."""
    with ThreadPoolExecutor(LANES) as pool:
        told = [one for lane in pool.map(lane_of, range(LANES)) for one in lane]
        return [*(outcome(fault, fate, told) for fault, fate in KINDS), planted(pool)]


def lane_of(lane: int) -> list[Told]:
    """Every so-manieth cycle, one after the other in one place."""
    mine = range(lane, CYCLES, LANES)
    told: list[Told] = []
    if not mine:
        return told
    with place(SEED * 1000 + lane) as there:
        for number in mine:
            one = cycle(there, *KINDS[number % len(KINDS)])
            told.append(one)
            words = f"cycle {number + 1} of {CYCLES}: {one.fault}, {one.fate}: {one.wrong or 'nothing unfenced'}"
            print(words, file=sys.stderr, flush=True)  # noqa: T201  for who waits
    return told


def cycle(there: Place, fault: str, fate: str) -> Told:
    """From an appliance that is well to one that is well."""
    meets, refused = FATES[fate], there.book.refused.copy()
    here = Cycle(there, there.wishes(BEFORE))
    there.served_by_appliance()
    there.sell(here.old[: BEFORE // 2])
    there.at_the_site(here.old[BEFORE // 2 :])
    meets.before(here)
    there.ship()
    here.asked += here.old
    away(here, fault, meets)
    submit(here)
    met = there.book.refused - refused
    if meets.shows and not met[meets.shows]:
        there.book.wrong.append(f"nothing was {meets.shows.name}: this cycle shows nothing")
    meets.back(here)
    there.book.settle()
    wrong, there.book.wrong = there.book.wrong, []
    return Told(fault, fate, wrong, len(here.asked), met)


def away(here: Cycle, fault: str, meets: Fate) -> None:
    """It goes under claims, and comes back; what the spare answered meanwhile is asked of it, too."""
    there, under = here.place, here.place.wishes(UNDER)
    here.asked += under

    def strike() -> None:
        meets.struck(here)
        there.node.strike(fault)

    seen = there.sell(under, strike)
    meets.away(here)
    spares = [wish for wish, one in zip(under, seen, strict=True) if one.node == there.spare.drop.facts.node]
    doubled = there.random.sample(spares, min(DOUBLED, len(spares)))
    if fault == "disconnected":
        asked_itself(here, doubled)
    if there.random.random() < 0.5:  # else all comes to the chain at once, in any order
        there.redeem(there.vouchers(there.spare, here.asked))
    back(there, fault)
    asked_itself(here, doubled)


def asked_itself(here: Cycle, doubled: Sequence[Wish]) -> None:
    """The appliance itself is asked: by whom it answered, by whom the spare answered, and by new buyers."""
    there, fresh = here.place, here.place.wishes(FRESH)
    here.asked += fresh
    for wish in (*here.old[:FRESH], *doubled):
        there.straight(there.node, wish)
    there.at_the_site(fresh)


def back(there: Place, fault: str) -> None:
    """With the disk that it has, by the word of who saw it last."""
    if fault == "killed":
        there.node.up()
        there.vouch(there.node)
    else:
        there.node.mend(fault)


def submit(here: Cycle) -> None:
    """Every voucher that any node gave and that did not redeem yet."""
    there = here.place
    given = [*here.given(), *there.vouchers(there.spare, here.asked)]
    given = [one for one in given if not there.book.is_minted(one)]
    there.random.shuffle(given)
    there.redeem(given)


def outcome(fault: str, fate: str, told: Sequence[Told]) -> Outcome:
    """Of one kind of cycle: what went wrong, else what the chain had to refuse."""
    mine = [one for one in told if (one.fault, one.fate) == (fault, fate)]
    wrong = [words for one in mine for words in one.wrong]
    refused = sum((one.refused for one in mine), Counter[Reason]())
    counts = [f"{sum(one.claims for one in mine):,} claims"]
    counts += [f"{count:,} {reason.name}" for reason, count in refused.most_common()]
    broken = sum(bool(one.wrong) for one in mine)
    return Outcome(f"{FAULTS[fault]}; {fate}", len(mine), broken, detail=wrong[0] if wrong else ", ".join(counts))


def planted(pool: ThreadPoolExecutor) -> Outcome:
    """Each bug in a place of its own, under each fault."""
    if missing := solc_missing():
        return Outcome("planted bugs", 0, 1, detail=f"solc is not here: {missing}")
    hidden = [name for name, caught in zip(BUGS, pool.map(shows, BUGS.values()), strict=True) if not caught]
    detail = f"not found: {', '.join(hidden)}" if hidden else ""
    return Outcome("planted bugs", len(BUGS), 0, len(BUGS) - len(hidden), len(BUGS), detail)


def shows(bug: Bug) -> bool:
    """Whether a cycle finds it."""
    with tempfile.TemporaryDirectory() as folder:
        artifact = compiled(bug.contract, Path(folder)) if bug.contract else None
    with place(SEED, replace(bug, artifact=artifact)) as there:
        return any(cycle(there, fault, bug.fate).wrong for fault in FAULTS)
