"""Whatever the load does: never below min, above max or over budget, and nothing is taken back within a cool-down."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.plan.model import Scale
from infra.plan.scaling import LEAVING_S, OVER_S, SEEN, Look, Now, decide

LOOK_S = 2.0
COMING_S = 40.0  # at most, in this world
HANDS = 64


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    """Whatever a drop file may say."""
    least, above = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    idle = draw(st.integers(0, 98))
    return Scale(
        least=least,
        most=least + above,
        budget_s=draw(st.floats(1, 40_000)),
        ahead_s=draw(st.floats(0, 1_000)),
        cool_down_s=draw(st.floats(10, 1_000)),
        busy_percent=draw(st.integers(idle + 1, 100)),
        idle_percent=idle,
    )


@dataclass
class World:
    """A geography whose spares come and go at once where they are told to, each in its own time."""

    scale: Scale
    opens_at: float
    closes_at: float
    at_s: float = 0.0
    elastic: int = 0
    spent_s: float = 0.0
    changed: tuple[float, bool] = (float("-inf"), False)
    changes: list[tuple[float, bool]] = field(default_factory=list)
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=40))

    def passes(self, seconds: float) -> None:
        self.at_s += seconds
        self.spent_s += self.elastic * seconds

    def round(self, busy_percent: int, acting_s: float) -> None:
        """One look, one decision, and what it takes to do it."""
        hands = HANDS * (1 + self.scale.least + self.elastic)
        self.looks.append(Look(self.at_s, hands, hands * busy_percent // 100, HANDS))
        up = self.scale.least + self.elastic
        now = Now(self.at_s, self.opens_at, self.closes_at, up, self.spent_s, *self.changed)
        found = decide(self.scale, now, self.looks)
        assert self.scale.least <= found.want <= self.scale.most
        assert found.why
        if found.want > up:
            assert self.opens_at - self.scale.ahead_s <= self.at_s < self.closes_at
            self.elastic = found.want - self.scale.least
            self.change(self.at_s, came=True)
            self.passes(min(acting_s, COMING_S))
        elif found.want < up:
            self.passes(acting_s)  # they cost until they are gone
            self.elastic = found.want - self.scale.least
            self.change(self.at_s, came=False)

    def change(self, at_s: float, *, came: bool) -> None:
        self.changed = (at_s, came)
        self.changes.append(self.changed)


@settings(max_examples=60, deadline=None)
@given(scales(), st.floats(0, 2_000), st.floats(30, 3_000), st.data())
def test_within_the_range_and_the_budget_and_never_to_and_fro(
    scale: Scale, opens_at: float, lasts_s: float, data: st.DataObject
) -> None:
    world = World(scale, opens_at, opens_at + lasts_s)
    loads = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 60)), min_size=1, max_size=12)
    for busy_percent, rounds in data.draw(loads):
        acting_s = data.draw(st.floats(0, LEAVING_S - COMING_S - LOOK_S))
        for _ in range(rounds):
            world.round(busy_percent, acting_s)
            world.passes(LOOK_S)
    while world.at_s < world.closes_at:
        world.round(100, 5)
        world.passes(LOOK_S)
    world.round(100, 5)
    assert world.elastic == 0, "nobody stays after the window"
    assert world.spent_s <= scale.budget_s
    for (before_s, came_before), (at_s, came) in pairwise(world.changes):
        if came_before != came:
            assert at_s - before_s >= scale.cool_down_s
        elif came and at_s >= world.opens_at:
            assert at_s - before_s >= OVER_S * SEEN, "each one's help is seen before the next one comes"
