"""How a drop's fronts are: which answer, which of a pair has the buyers; what `edgedrop status` tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from infra.ops.served import ANSWER_S, answering, at_each
from infra.plan.model import DropPlan, Geography
from node_image.front.runtime import Served

WORKERS = 16


@dataclass(frozen=True, slots=True)
class Look:
    """One geography's: by front how it sees the nodes, and whose name stands at the buyers' address."""

    geo: Geography
    fronts: Mapping[str, Mapping[str, Served]]
    holder: str  # empty where nobody answers there

    @property
    def dead(self) -> tuple[str, ...]:
        """Fronts that do not answer."""
        return tuple(name for name, seen in self.fronts.items() if not seen)

    @property
    def silent(self) -> tuple[str, ...]:
        """They, and the buyers' address where nobody answers."""
        return self.dead if self.holder else (*self.dead, self.geo.front_address)

    @property
    def lent(self) -> dict[str, Served]:
        """What others lend it, as the front sees it that has the buyers."""
        seen = self.fronts.get(self.holder, {})
        return {one.name: seen[one.name] for one in self.geo.lent if one.name in seen}

    def words(self, drop: str) -> str:
        """For people; empty of one front that answers."""
        geo, mend = self.geo, f"edgedrop up {drop}"
        if not self.holder:
            return f"{geo.name}: no front answers at {geo.front_address}: its buyers reach nobody: {mend}"
        if not geo.pair:
            return ""
        rest = [name for name in self.fronts if name not in (self.holder, *self.dead)]
        told = f"{geo.name}: {self.holder} answers at {geo.front_address}"
        if self.dead:
            return f"{told}; {', '.join(self.dead)} does not answer: {mend}"
        return f"{told}, {', '.join(rest)} would take it over"


def look(plan: DropPlan) -> tuple[Look, ...]:
    """At all its geographies at once."""
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client, ThreadPoolExecutor(WORKERS) as pool:
        return tuple(pool.map(lambda geo: look_at(client, geo), plan.geographies))


def look_at(client: httpx.Client, geo: Geography) -> Look:
    """At one."""
    seen = at_each(client, geo)
    alone = next((name for name, one in seen.items() if one), "")
    return Look(geo, seen, answering(client, geo) if geo.pair else alone)
