"""The ladder under any course of illness, reboots in it: never too soon, never too often, never for a bus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from node_image.recovery import ladder
from node_image.recovery.ladder import (
    ENGINE,
    ENGINES,
    HOUR_S,
    LONELY,
    PATIENCE_S,
    REBOOTS,
    RESTARTS,
    History,
    Look,
    Step,
)

EVERY_S = 30
SERVICES = ("bus", "mint", "signer")


@dataclass(frozen=True)
class Turn:
    """A look, what followed, and what was ill without a break for how long; `now` never goes back, `boot` counts."""

    now: int
    boot: int
    look: Look
    step: Step | None
    ill_for: int  # of the thing that the step is for


HUNG = st.frozensets(st.sampled_from(SERVICES))
# Courses: what is seen, for how many looks; long ones, or no ladder is ever climbed.
COURSES = st.lists(st.tuples(HUNG, st.booleans(), st.integers(1, 150)), min_size=1, max_size=8)


def walk(course: list[tuple[frozenset[str], bool, int]]) -> Iterator[Turn]:
    """The course as the watch meets it: a reboot ends what /run holds, and the count of seconds."""
    history, now, boot, booted = History(), 0, 0, 0
    since: dict[str, int] = {}
    for hung, engine, looks in course:
        for _ in range(looks):
            now += EVERY_S
            look = Look(now - booted, hung, engine)
            since = {what: since.get(what, look.at) for what in look.ill}
            history = ladder.seen(history, look)
            step = ladder.next_step(history, look)
            ill_for = look.at - min(since.values()) if step and since else 0
            yield Turn(now, boot, look, step, ill_for)
            if step:
                history = ladder.done(history, step)
            if step and step.do == "reboot":
                history, boot, booted, since = History(reboots=history.reboots), boot + 1, now, {}


@settings(max_examples=300, deadline=None)
@given(COURSES)
def test_nothing_is_done_too_soon_or_too_often(course: list[tuple[frozenset[str], bool, int]]) -> None:
    turns = list(walk(course))
    done = [turn for turn in turns if turn.step]
    for turn in done:
        assert turn.step
        assert turn.look.ill, "a box that is well is left alone"
        assert turn.ill_for >= PATIENCE_S
        hour = [one for one in done if one.boot == turn.boot and 0 <= turn.now - one.now < HOUR_S]
        same = [one for one in hour if one.step and (one.step.do, one.step.what) == (turn.step.do, turn.step.what)]
        assert len(same) <= {"restart": RESTARTS, "engine": ENGINES, "reboot": 1}[turn.step.do]
    reboots = [turn.now for turn in done if turn.step and turn.step.do == "reboot"]
    assert all(later - first >= HOUR_S for first, later in pairwise(reboots))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.frozensets(st.just("bus")), st.integers(1, 400)), min_size=1, max_size=6))
def test_a_dead_bus_is_never_a_reason_for_more_than_its_own_restart(course: list[tuple[frozenset[str], int]]) -> None:
    steps = [turn.step for turn in walk([(hung, True, looks) for hung, looks in course]) if turn.step]
    assert {(one.do, one.what) for one in steps} <= {("restart", "bus")}


@settings(max_examples=100, deadline=None)
@given(HUNG.filter(lambda hung: bool(hung - LONELY)), st.booleans(), st.integers(300, 3000))
def test_what_never_heals_is_climbed_to_the_top_and_then_left(hung: frozenset[str], engine: bool, looks: int) -> None:
    turns = [turn for turn in walk([(hung, engine, looks)]) if turn.step]
    kinds = [turn.step.do for turn in turns if turn.step]
    assert kinds[0] == ("restart" if engine else "engine")
    assert "engine" in kinds
    assert kinds.count("reboot") <= REBOOTS
    if looks * EVERY_S > (REBOOTS + 2) * (HOUR_S + 20 * PATIENCE_S):
        assert kinds.count("reboot") == REBOOTS, "and then a person is needed"


def test_the_course_of_a_mint_that_hangs_for_good() -> None:
    steps = [(turn.now, turn.step.do) for turn in walk([(frozenset({"mint"}), True, 200)]) if turn.step]
    assert steps[:4] == [(120, "restart"), (300, "restart"), (660, "engine"), (3600, "reboot")]


def test_a_good_hour_gives_the_reboots_back() -> None:
    tired = History(reboots=REBOOTS)
    early, late = Look(HOUR_S - 1, frozenset(), True), Look(HOUR_S, frozenset(), True)
    assert ladder.seen(tired, early).reboots == REBOOTS, "just booted, nothing may have started yet"
    assert ladder.seen(tired, late).reboots == 0


def test_with_the_engine_away_services_are_not_blamed() -> None:
    look = Look(5, frozenset({"mint"}), False)
    assert ladder.seen(History(), look).ill_since == {ENGINE: 5}


def test_a_history_survives_its_file() -> None:
    history = History({"mint": 4}, (Step("restart", 9, "mint"),), 2)
    assert msgspec.json.decode(msgspec.json.encode(history), type=History) == history
