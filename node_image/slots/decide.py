"""What the installer does next, and when it gives up. Pure: states in, states out.

staged -> trying -> committing -> committed
             |
             +----> rolling back -> rolled back

Each state is on disk before anything is done for it, so that whoever is killed, or whatever boots, goes on from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

MOST_TRIES = 2  # a release that takes the box down with it gets one boot more, then the old one is back
MOST_RESTARTS = 2  # of a container while it is judged
SLOTS = ("a", "b")
JOURNAL = "/var/lib/edgedrop/journal"


class Phase(StrEnum):
    """Where the box stands."""

    IDLE = "idle"
    STAGED = "staged"
    TRYING = "trying"
    COMMITTING = "committing"
    COMMITTED = "committed"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"


class Step(StrEnum):
    """What is to be done."""

    REST = "rest"
    TRY = "try"
    SWITCH = "switch"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Health:
    """How a node is. `journal` is the last seq by grant; `waits` is what of outside it waits for, "" for nothing."""

    running: tuple[str, ...]  # services
    restarts: Mapping[str, int]  # by service, of those that do not run, too
    answers: bool
    ready: bool
    reason: str
    waits: str
    journal: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class State:
    """`slot` is the one that is tried or was tried last, `current` the one that is good; "" is a bare box."""

    phase: Phase = Phase.IDLE
    current: str = ""
    slot: str = ""
    release: str = ""  # of `slot`
    tries: int = 0
    before: Health | None = None
    bad: tuple[str, ...] = ()  # releases that failed here
    why: str = ""  # the last one failed


def other(current: str) -> str:
    """The slot that is free; of a bare box the second, whatever comes to run there by a play is the first."""
    return SLOTS[0] if current == SLOTS[1] else SLOTS[1]


def step(state: State) -> Step:
    """The one thing to do."""
    return {
        Phase.TRYING: Step.TRY,
        Phase.COMMITTING: Step.SWITCH,
        Phase.ROLLING_BACK: Step.BACK,
    }.get(state.phase, Step.REST)


def refusal(state: State, release: str, lost: str, *, again: bool) -> str:
    """Why this release is not taken, "" where it is. `lost`: what of the node's it would not find again."""
    if step(state) is not Step.REST:
        return f"release {state.release[:12]} is being tried: wait for its end"
    if lost:
        return lost
    if release in state.bad and not again:
        return f"release {release[:12]} failed here before ({state.why}); --again tries it all the same"
    return ""


def no_way_back(state: State, held: str, lost: str) -> str:
    """Why the other slot is not gone back to, "" where it is. `held`: the release in it, "" for nothing."""
    if step(state) is not Step.REST:
        return f"release {state.release[:12]} is being tried: wait for its end"
    if not held:
        return "no other release is on this box: it was never re-imaged, or from a bare box"
    if state.phase is Phase.STAGED:
        return f"the other slot holds release {held[:12]}, which is staged and never ran"
    if held in state.bad:
        return f"the other slot holds release {held[:12]}, which failed here before ({state.why})"
    return lost


def lost(old: Mapping[str, str], new: Mapping[str, str], there: frozenset[str]) -> str:
    """Why the new containers would not find the journal that the old ones wrote. Volumes by their path inside."""
    kept = old.get(JOURNAL)
    if kept is None:
        return ""
    if kept not in there:
        return f"the volume {kept} with this node's journal is gone: it needs its next epoch (edgedrop rotate)"
    if new.get(JOURNAL) != kept:
        return f"the release keeps its journal in {new.get(JOURNAL) or 'no volume'}, this node's is in {kept}"
    return ""


def staged(state: State, slot: str, release: str, current: str) -> State:
    """It lies in its slot; what runs goes on."""
    return replace(state, phase=Phase.STAGED, slot=slot, release=release, current=current, tries=0)


def begun(state: State, before: Health) -> State:
    """From now on it is tried, whoever is killed; one that is to be tried again is no longer bad."""
    bad = tuple(one for one in state.bad if one != state.release)
    return replace(state, phase=Phase.TRYING, before=before, bad=bad, why="", tries=0)


def attempted(state: State) -> State:
    """One more try begins, or there were enough."""
    if state.tries >= MOST_TRIES:
        return failed(state, f"it was begun {state.tries} times and never came to its end")
    return replace(state, tries=state.tries + 1)


def passed(state: State) -> State:
    """Its gates are open."""
    return replace(state, phase=Phase.COMMITTING)


def failed(state: State, why: str) -> State:
    """The old one comes back; this one is not tried again by itself."""
    return replace(state, phase=Phase.ROLLING_BACK, bad=(*state.bad, state.release), why=why)


def committed(state: State) -> State:
    """The slot is what runs."""
    return replace(state, phase=Phase.COMMITTED, current=state.slot)


def rolled_back(state: State) -> State:
    """The old one runs."""
    return replace(state, phase=Phase.ROLLED_BACK)


def hopeless(before: Health, now: Health) -> str:
    """Why waiting is of no use."""
    counts = ((name, count - before.restarts.get(name, 0)) for name, count in now.restarts.items())
    restarted = [name for name, count in counts if count > MOST_RESTARTS]
    return f"{restarted[0]} does not stay up" if restarted else ""


def gate(before: Health, now: Health, wanted: frozenset[str], *, patient: bool) -> str:
    """Why the new release is not good (yet), "" where it is. `patient`: it had its time to hear from outside."""
    down = sorted(wanted - set(now.running))
    if down:
        return f"{', '.join(down)} does not run"
    if not now.answers:
        return f"the mint does not answer: {now.reason}"
    for grant, seq in before.journal.items():
        if now.journal.get(grant, -1) < seq:
            return f"the journal of grant {grant[:12]} stood at {seq}, and now at {now.journal.get(grant, 'nothing')}"
    if now.ready or (patient and (now.waits or _as_before(before, now))):
        return ""
    return f"it is not ready: {now.reason}"


def _as_before(before: Health, now: Health) -> bool:
    """What kept the old release from selling keeps the new one: that is not the release's fault."""
    return before.answers and not before.ready and before.reason == now.reason
