"""A box from cool to too hot and back, and what is done without a sensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from node_image.cooling import curve, governor
from node_image.cooling.disk import MIB
from node_image.cooling.governor import Look, State
from node_image.cooling.ladder import Rung
from node_image.cooling.sensors import Reading

LIMIT = 90_000


def states(values: Iterable[int | None], free: int | None = None) -> Iterator[State]:
    """After each second's look at one sensor that trembles; None: it is not there."""
    state = State()
    for second, value in enumerate(values):
        readings = () if value is None else (Reading("die", value + second % 2 * 100, LIMIT),)
        state = governor.step(state, Look(float(second), readings, free=free))
        yield state


def ways(found: Iterable[State]) -> list[str]:
    """The rungs, each once as long as it lasts."""
    said: list[str] = []
    for state in found:
        if not said or said[-1] != state.place.rung.name:
            said.append(state.place.rung.name)
    return said


UP = [*range(45_000, 91_000, 500)]


def test_a_heat_ramp_leads_to_weight_down_drain_and_stop_and_cool_air_back() -> None:
    found = list(states([*UP, *reversed(UP), *[35_000] * 120]))
    assert ways(found) == ["NORMAL", "REDUCED", "DRAIN", "STOP", "DRAIN", "REDUCED", "NORMAL"]
    assert [state.weight for state in found][:: len(found) - 1] == [100, 100]
    first = {rung: next(state for state in found if state.place.rung is rung) for rung in Rung}
    assert [first[rung].weight for rung in Rung] == [100, 50, 0, 0]
    values = [first[rung].tracks["die"].value or 0 for rung in Rung]
    assert values == sorted(values)
    assert values[-1] < LIMIT, "stopped before the hardware throttles"
    assert first[Rung.REDUCED].pwm == curve.FULL, "the fans come first"
    assert found[-1].pwm == curve.QUIET


def test_a_steep_rise_is_met_earlier_than_a_slow_one() -> None:
    def drained_at(per_second: int) -> int:
        found = states([*[50_000] * 6, *range(50_000, 91_000, per_second)])
        return next(state.tracks["die"].value or 0 for state in found if state.place.rung >= Rung.DRAIN)

    assert drained_at(1000) < drained_at(100)


def test_it_says_when_the_limit_will_be_reached() -> None:
    *_, last = states(range(60_000, 70_000, 500))
    assert last.seconds_to_limit is not None
    assert 35 < last.seconds_to_limit < 45


def test_a_box_without_sensors_serves_and_its_fans_run_full() -> None:
    *_, last = states([None] * 20)
    assert (last.weight, last.pwm, last.reason) == (100, curve.FULL, "")


def test_without_a_believed_sensor_the_weight_is_down_and_the_fans_are_full() -> None:
    *_, last = states([45_000] * 20 + [None] * 10)
    assert (last.weight, last.pwm) == (50, curve.FULL)
    assert last.reason == "die is vanished; no sensor is believed"


def test_a_stop_is_not_left_blindly() -> None:
    *_, last = states([*UP, *[None] * 600])
    assert last.place.rung is Rung.STOP


def test_a_doubted_sensor_beside_a_sound_one_costs_noise_and_nothing_else() -> None:
    state = State()
    for second in range(30):
        both = (Reading("die", 45_000 + second % 2, LIMIT), Reading("zone", 45_000, LIMIT))
        state = governor.step(state, Look(float(second), both if second < 10 else both[:1]))
    assert (state.weight, state.pwm, state.reason) == (100, curve.FULL, "zone is vanished")


def test_a_sensor_of_an_earlier_life_that_is_gone_is_missed() -> None:
    state = governor.known({"die": LIMIT}, Rung.NORMAL, 0.0)
    for second in range(10):
        state = governor.step(state, Look(float(second), ()))
    assert (state.weight, state.reason) == (50, "die is vanished; no sensor is believed")


def test_a_disk_that_fills_lowers_the_weight_and_says_so() -> None:
    *_, low = states([45_000] * 5, 900 * MIB)
    *_, last = states([45_000] * 5, 100 * MIB)
    assert (low.weight, low.reason) == (50, "900 MiB are free on the disk")
    assert (last.weight, last.place.rung) == (0, Rung.NORMAL)
