"""Whatever the box does: it never serves above the stop limit, does not flap, and less head-room is never less air."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from node_image.cooling import curve, governor
from node_image.cooling.governor import Look, State
from node_image.cooling.health import Verdict
from node_image.cooling.ladder import DWELL_S, EASED, STEPS, Heat, Place, Rung, climb, demand
from node_image.cooling.sensors import Reading

STOP_AT = STEPS[0].headroom
LIMIT = 90_000
HEADROOMS = st.integers(-20_000, 60_000)
SECONDS = st.none() | st.floats(0, 900)
HEATS = st.builds(Heat, HEADROOMS, SECONDS)
LOOKS = st.none() | st.lists(HEATS, min_size=1, max_size=3)  # None: no sensor is believed
VALUES = st.none() | st.integers(-60_000, 130_000)


def walked(looks: Sequence[list[Heat] | None], every_s: float) -> list[tuple[float, Rung, list[Heat] | None]]:
    """Time, rung and what led to it, for each look."""
    place, found = Place(), []
    for number, heats in enumerate(looks):
        place = climb(place, heats, number * every_s)
        found.append((number * every_s, place.rung, heats))
    return found


@given(HEATS, st.integers(0, 20_000), st.floats(0, 100))
def test_hotter_or_sooner_never_asks_for_less(heat: Heat, hotter: int, sooner: float) -> None:
    worse = Heat(heat.headroom - hotter, None if heat.seconds is None else max(0.0, heat.seconds - sooner))
    assert demand([worse]) >= demand([heat])
    assert demand([heat, worse]) == demand([worse])


@given(st.lists(LOOKS, max_size=200), st.sampled_from([0.2, 1.0, 20.0]))
def test_the_rung_is_never_below_what_the_heat_asks_for(looks: list[list[Heat] | None], every_s: float) -> None:
    for _, rung, heats in walked(looks, every_s):
        if heats is None:
            assert rung >= Rung.REDUCED
        elif min(heat.headroom for heat in heats) <= STOP_AT:
            assert rung is Rung.STOP
        else:
            assert rung >= demand(heats)


@given(st.lists(LOOKS, max_size=200), st.sampled_from([0.2, 1.0, 20.0]))
def test_down_goes_one_rung_at_a_time_after_a_calm(looks: list[list[Heat] | None], every_s: float) -> None:
    """So a rung is changed at most twice a calm, whatever the sensors do: no flapping."""
    steps, changed_at = walked(looks, every_s), 0.0
    for (_, before, _), (now, after, heats) in pairwise(steps):
        if after < before:
            assert heats is not None, "blindly"
            assert after == before - 1
            assert now - changed_at >= DWELL_S
            calm = [one for at, _, one in steps if now - DWELL_S <= at <= now]
            assert all(one is not None and demand(one, EASED) < before for one in calm)
        if after != before:
            changed_at = now


def test_a_hotter_rung_has_no_more_weight() -> None:
    assert [rung.weight for rung in Rung] == sorted((rung.weight for rung in Rung), reverse=True)
    assert (Rung.NORMAL.weight, Rung.DRAIN.weight, Rung.STOP.weight) == (100, 0, 0)


@given(HEADROOMS, HEADROOMS)
def test_less_headroom_is_never_less_air(one: int, other: int) -> None:
    assert curve.wanted(min(one, other)) >= curve.wanted(max(one, other))
    assert curve.QUIET <= curve.wanted(one) <= curve.FULL


@given(st.integers(0, 255), st.lists(st.none() | HEADROOMS, min_size=1))
def test_the_fans_never_run_slower_than_the_curve_and_full_where_nothing_is_known(
    last: int, headrooms: list[int | None]
) -> None:
    for headroom in headrooms:
        last = curve.next_pwm(last, headroom)
        assert last >= (curve.FULL if headroom is None else curve.wanted(headroom))
        assert last <= curve.FULL


SLOPING = st.integers(curve.FULL_FROM - curve.HYSTERESIS, curve.QUIET_FROM)


@given(st.integers(0, 255), SLOPING, st.lists(st.integers(0, curve.HYSTERESIS), min_size=3, max_size=20))
def test_a_tremble_is_not_heard(last: int, low: int, trembles: list[int]) -> None:
    """Within the hysteresis the fans may settle; once they went faster for it they never go slower again."""
    speeds = []
    for tremble in trembles:
        last = curve.next_pwm(last, low + tremble)
        speeds.append(last)
    rises = [number for number, (one, other) in enumerate(pairwise(speeds)) if other > one]
    falls = [number for number, (one, other) in enumerate(pairwise(speeds)) if other < one]
    assert not rises or not falls or max(falls) < min(rises)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=80))
def test_a_believed_sensor_at_its_limit_stops_the_mint_and_a_doubted_one_has_full_air(
    values: list[tuple[int | None, int | None]],
) -> None:
    state = State()
    for second, pair in enumerate(values):
        readings = tuple(Reading(name, value, LIMIT) for name, value in zip("ab", pair, strict=True))
        state = governor.step(state, Look(float(second), readings))
        believed = [track.value for track in state.tracks.values() if track.sound and track.value is not None]
        if any(value >= LIMIT - STOP_AT for value in believed):
            assert (state.place.rung, state.weight) == (Rung.STOP, 0)
        if any(track.verdict is not Verdict.SOUND for track in state.tracks.values()):
            assert state.pwm == curve.FULL
        if state.tracks and not believed:
            assert state.place.rung >= Rung.REDUCED
