"""How a drop's elastic spares stand by the hub's record: up, what that has cost, what was decided last and why."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from infra import elastic
from infra.elastic import Held
from infra.plan.model import DropPlan, Scale

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Scaled:
    """A geography's; `at_s` is when it was looked at, Unix seconds."""

    geo: str
    names: tuple[str, ...]  # of all its elastic spares
    scale: Scale
    held: Held
    at_s: float

    @property
    def spent_hours(self) -> float:
        """Spare-hours."""
        return self.held.spent_s(self.at_s) / HOUR_S

    def words(self) -> str:
        """For people, a line."""
        there = [f"{one.node} {one.stage} since {_clock(one.from_s)}" for one in self.held.stints if one.to_s is None]
        budget = self.scale.budget_s / HOUR_S
        cost = f"{self.spent_hours:.2f} of {budget:g} spare-hours spent, {budget - self.spent_hours:.2f} left"
        said = self.held.said
        decided = (
            f"{_clock(said.at_s)} {said.want} spares, since {said.why}" if said else "edgedrop autoscale never ran"
        )
        trouble = f"; in the way: {self.held.trouble}" if self.held.trouble else ""
        return f"{self.geo}: {', '.join(there) or f'none of {len(self.names)} up'}; {cost}; {decided}{trouble}"

    def data(self) -> dict[str, Any]:
        """For machines."""
        told = msgspec.to_builtins(self.held)
        budget = {"budget_spare_hours": self.scale.budget_s / HOUR_S, "spent_spare_hours": self.spent_hours}
        return {"geography": self.geo, "elastic": list(self.names), **budget, **told}


def scaled(plan: DropPlan) -> tuple[Scaled, ...]:
    """Of all its geographies that have such spares."""
    now_s = time.time()
    return tuple(
        Scaled(geo.name, tuple(node.name for node in geo.elastic), geo.scale, elastic.of(plan.stack, geo.name), now_s)
        for geo in plan.geographies
        if geo.scale
    )


def _clock(at_s: float) -> str:
    """UTC, to the minute."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
