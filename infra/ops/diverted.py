"""Who gets no claims by a person's word, on record and at the fronts: what `edgedrop status` tells of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from infra import diversions
from infra.diversions import Diversion
from infra.errors import Unreachable
from infra.ops import fronts
from infra.ops.front_look import Look
from infra.ops.output import say
from infra.plan.model import DropPlan, Geography

AWAY = "DRAIN"


@dataclass(frozen=True, slots=True)
class Told:
    """A node that is set aside on record, at a front, or both; `fronts` has its state at each that answers."""

    node: str
    geo: str
    fronts: Mapping[str, str]
    record: Diversion | None

    def words(self, drop: str) -> str:
        """For people: what, by whom, since when, why, and where record and front differ."""
        if self.record is None:
            return f"{self.node} gets no claims, on nobody's record: edgedrop failback {self.geo} --drop {drop}"
        one = self.record
        what = {"drain": "is drained", "cordon": "is cordoned", "failover": f"is failed over to {one.to}"}[one.act]
        why = f": {one.why}" if one.why else ""
        said = f"{self.node} {what} by {one.who} since {one.at[:19]} UTC{why}"
        others = [f"{front} has it {state}" for front, state in self.fronts.items() if state != AWAY]
        if not others:
            return said
        return f"{said}; but {', '.join(others)}, since it was started anew: edgedrop up {drop}"


def diverted(plan: DropPlan, looks: Iterable[Look]) -> tuple[Told, ...]:
    """Of all geographies that were looked at."""
    record = diversions.read(plan.stack)
    return tuple(one for look in looks for one in _of(look, record))


def _of(look: Look, record: diversions.Record) -> Iterator[Told]:
    held = diversions.at_front(record, look.geo)
    elastic = {node.name for node in look.geo.elastic}  # the hub drains what is to go
    for name in (*(node.name for node in look.geo.at_front), *(one.name for one in look.geo.lent)):
        states = {front: seen[name].state for front, seen in look.fronts.items() if name in seen}
        if name in held or (AWAY in states.values() and name not in elastic):
            yield Told(name, look.geo.name, states, held.get(name))


def restore(drop: str, geo: Geography) -> None:
    """A front that was started anew is told again what a person had said."""
    hows = {name: one.how for name, one in diversions.at_front(diversions.read(drop), geo).items()}
    if not hows:
        return
    try:
        fronts.tell(drop, geo, hows)
    except Unreachable as fault:
        say(f"[bold yellow]{geo.name}: {', '.join(hows)} should get no claims, but {fault.message}[/]")
    else:
        say(f"{geo.name}: {', '.join(hows)} still get no claims (edgedrop status says why)")
