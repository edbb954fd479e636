"""Which rung comes next: restart a service, restart the engine, reboot. Pure; times in seconds since the boot.

Invariants: nothing is done to what has not been ill for PATIENCE_S without a break; two steps at one thing are further
apart each time; at most RESTARTS of a service and ENGINES of the engine within an hour; the box is rebooted only when
it has been up for an hour, and at most REBOOTS times without an hour in between in which all was well. The bus is
restarted like any service and is no reason for more: whether a hub is there is not even asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

PATIENCE_S = 90
HOUR_S = 3600
RESTARTS = 2
ENGINES = 1
REBOOTS = 3
LONELY = frozenset({"bus"})  # services whose illness stays their own matter
ENGINE = "engine"


class Step(msgspec.Struct, frozen=True):
    """What was done, or is to be; `at` is when, `what` names the service for a restart."""

    do: Literal["restart", "engine", "reboot"]
    at: int
    what: str = ""


class History(msgspec.Struct, frozen=True):
    """Since the boot: from when on each thing was ill, and the last hour's steps. `reboots` outlives a boot."""

    ill_since: dict[str, int] = {}
    steps: tuple[Step, ...] = ()
    reboots: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: services that run and do not answer, and whether the engine answers."""

    at: int
    hung: frozenset[str]
    engine: bool

    @property
    def ill(self) -> frozenset[str]:
        """All of it. With the engine away nothing is known of services."""
        return self.hung if self.engine else frozenset({ENGINE})


def seen(history: History, look: Look) -> History:
    """The history with this look in it."""
    since = {what: history.ill_since.get(what, look.at) for what in look.ill}
    steps = tuple(one for one in history.steps if look.at - one.at < HOUR_S)
    well = not since and not steps and look.at >= HOUR_S
    return History(since, steps, 0 if well else history.reboots)


def next_step(history: History, look: Look) -> Step | None:
    """One step, or none: for the thing that was ill longest and has one left."""
    for what, since in sorted(history.ill_since.items(), key=lambda one: (one[1], one[0])):
        step = _for(what, since, history, look.at)
        if step is not None:
            return step
    return None


def done(history: History, step: Step) -> History:
    """The history with this step in it."""
    reboots = history.reboots + (step.do == "reboot")
    return History(history.ill_since, (*history.steps, step), reboots)


def _for(what: str, since: int, history: History, now: int) -> Step | None:
    mine = list(_touching(what, history.steps))
    patience = PATIENCE_S << len(mine)
    if now - max([since, *(one.at for one in mine)]) < patience:
        return None
    restarts = sum(one.do == "restart" for one in mine)
    if what != ENGINE and restarts < RESTARTS:
        return Step("restart", now, what)
    if what in LONELY:
        return None
    if sum(one.do == "engine" for one in history.steps) < ENGINES:
        return Step("engine", now)
    if now >= HOUR_S and history.reboots < REBOOTS:
        return Step("reboot", now)
    return None


def _touching(what: str, steps: tuple[Step, ...]) -> Iterator[Step]:
    """Steps that were to mend this thing: its own restarts, and what mends everything."""
    return (one for one in steps if one.do != "restart" or one.what == what)
