"""Who gets no claims by a person's word, on record and at the fronts: what `edgedrop status` tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from infra import diversions
from infra.diversions import Diversion
from infra.errors import Unreachable
from infra.ops import fronts
from infra.ops.output import say
from infra.ops.served import ANSWER_S, at_front
from infra.plan.model import DropPlan, Geography

AWAY = "DRAIN"


@dataclass(frozen=True, slots=True)
class Told:
    """A node that is set aside on record, at its front, or both; `front` is empty where that does not answer."""

    node: str
    geo: str
    front: str
    record: Diversion | None

    def words(self, drop: str) -> str:
        """For people: what, by whom, since when, why, and where record and front differ."""
        if self.record is None:
            return f"{self.node} gets no claims, on nobody's record: edgedrop failback {self.geo} --drop {drop}"
        one = self.record
        what = {"drain": "is drained", "cordon": "is cordoned", "failover": f"is failed over to {one.to}"}[one.act]
        why = f": {one.why}" if one.why else ""
        said = f"{self.node} {what} by {one.who} since {one.at[:19]} UTC{why}"
        if self.front in (AWAY, ""):
            return said
        return f"{said}; but its front has it {self.front}, since it was started anew: edgedrop up {drop}"


def diverted(plan: DropPlan) -> tuple[Told, ...]:
    """Of all its geographies."""
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
        return tuple(one for geo in plan.geographies for one in _of(client, plan.stack, geo))


def _of(client: httpx.Client, drop: str, geo: Geography) -> Iterator[Told]:
    held, states = diversions.read(drop), at_front(client, geo)
    for node in geo.nodes:
        state = states[node.name].state if node.name in states else ""
        if node.name in held or state == AWAY:
            yield Told(node.name, geo.name, state, held.get(node.name))


def restore(drop: str, geo: Geography) -> None:
    """A front that was started anew is told again what a person had said."""
    held = diversions.read(drop)
    hows = {node.name: held[node.name].how for node in geo.nodes if node.name in held}
    if not hows:
        return
    try:
        fronts.tell(drop, geo, hows)
    except Unreachable as fault:
        say(f"[bold yellow]{geo.name}: {', '.join(hows)} should get no claims, but {fault.message}[/]")
    else:
        say(f"{geo.name}: {', '.join(hows)} still get no claims (edgedrop status says why)")
