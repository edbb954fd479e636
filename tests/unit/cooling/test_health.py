"""Which sensor is believed: each fault within ten seconds, and what is no fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from node_image.cooling.health import Sample, Track, Verdict, follow
from node_image.cooling.sensors import Reading

LIMIT = 90_000
NOTICED_S = 10
type Values = Callable[[int], dict[str, int | None]]


def ramp(second: int) -> int:
    """Half a degree a second, after ten that it trembled."""
    return 45_000 + (second % 2) * 100 + max(0, second - 10) * 500


def seen(values: Values, seconds: int, load: Callable[[int], float] = lambda _: 0.1) -> Iterator[dict[str, Track]]:
    """The tracks after each second's look."""
    tracks: dict[str, Track] = {}
    loads: list[Sample] = []
    for second in range(seconds):
        loads.append(Sample(second, load(second)))
        readings = [Reading(name, value, LIMIT) for name, value in values(second).items()]
        tracks = follow(tracks, readings, loads, float(second))
        yield tracks


def noticed(values: Values, verdict: Verdict, fault_at: int, load: Callable[[int], float] = lambda _: 0.1) -> int:
    """How long after the fault "one" had the verdict; nothing was held against it before, nor ever against "two"."""
    for second, tracks in enumerate(seen(values, fault_at + 2 * NOTICED_S, load)):
        assert "two" not in tracks or tracks["two"].sound
        if tracks["one"].verdict is verdict:
            return second - fault_at
        assert second < fault_at or tracks["one"].verdict is Verdict.SOUND
    pytest.fail(f"not noticed: {verdict}")


def test_a_sensor_that_stands_still_while_another_moves_is_stuck() -> None:
    took = noticed(lambda s: {"one": ramp(min(s, 20)), "two": ramp(s)}, Verdict.STUCK, 20)
    assert took < NOTICED_S


def test_a_lone_sensor_that_stands_still_while_the_load_comes_is_stuck() -> None:
    took = noticed(lambda s: {"one": ramp(min(s, 9))}, Verdict.STUCK, 10, lambda s: 0.9 if s > 11 else 0.1)
    assert took < NOTICED_S


def test_a_sensor_that_goes_away_has_vanished() -> None:
    took = noticed(lambda s: {"one": ramp(s), "two": ramp(s)} if s < 20 else {"two": ramp(s)}, Verdict.VANISHED, 20)
    assert took < NOTICED_S


def test_a_sensor_that_answers_with_an_error_has_vanished() -> None:
    took = noticed(lambda s: {"one": ramp(s) if s < 20 else None, "two": ramp(s)}, Verdict.VANISHED, 20)
    assert took < NOTICED_S


def test_one_look_that_failed_is_no_fault() -> None:
    for tracks in seen(lambda s: {"one": None if s in {12, 13} else ramp(s)}, 30):
        assert tracks["one"].verdict is Verdict.SOUND


@pytest.mark.parametrize("lie", [127_000, -55_000, 9_000_000, ramp(20) + 41_000])
def test_a_value_that_cannot_be_is_a_lie_at_once(lie: int) -> None:
    assert noticed(lambda s: {"one": ramp(s) if s < 20 else lie, "two": ramp(s)}, Verdict.LYING, 20) == 0


def test_a_burst_that_a_die_can_do_is_none() -> None:
    for tracks in seen(lambda s: {"one": ramp(s) + (30_000 if s > 15 else 0)}, 30):
        assert tracks["one"].sound


def test_a_quiet_box_has_no_stuck_sensor() -> None:
    """It trembled for ten seconds and stands still since, as the other and the load do."""
    for tracks in seen(lambda s: {"one": ramp(min(s, 9)), "two": ramp(min(s, 9)) + s % 2}, 100):
        assert all(track.sound for track in tracks.values())


def test_a_sensor_that_never_moved_is_not_called_stuck() -> None:
    """A disk does not follow a processor within seconds."""
    for tracks in seen(lambda s: {"disk": 38_000, "two": ramp(s)}, 60):
        assert tracks["disk"].sound


def test_an_input_with_nothing_on_it_that_stands_at_its_limit_is_stuck_until_it_moves() -> None:
    def values(second: int) -> dict[str, int | None]:
        return {"aux": 115_000 if second < 60 else 40_000 + second % 2, "two": ramp(second % 40)}

    verdicts = [tracks["aux"].verdict for tracks in seen(values, 90)]
    assert set(verdicts[:20]) == {Verdict.SOUND}, "for so long it might be true"
    assert set(verdicts[21:60]) == {Verdict.STUCK}
    assert verdicts[-1] is Verdict.SOUND


def test_a_hot_sensor_that_trembles_is_believed() -> None:
    for tracks in seen(lambda s: {"one": 89_000 + 1000 * (s % 19 == 0)}, 60):
        assert tracks["one"].sound


def test_a_sensor_may_take_a_moment_to_follow() -> None:
    """Quiet for a minute, then the others jump: it has three seconds."""

    def values(second: int) -> dict[str, int | None]:
        quiet = ramp(min(second, 9))
        return {
            "one": quiet + (20_000 if second >= 62 else 0),
            "two": quiet + second % 2 + (20_000 if second >= 60 else 0),
        }

    for tracks in seen(values, 80):
        assert all(track.sound for track in tracks.values())


def test_one_that_never_told_anything_is_not_missed() -> None:
    for tracks in seen(lambda s: {"wifi": None, "two": ramp(s)}, 20):
        assert set(tracks) == {"two"}


def test_a_stuck_sensor_stays_so_until_it_moves_and_has_behaved_for_a_while() -> None:
    """However long it takes: the others' movement that betrayed it is long out of the window."""

    def values(second: int) -> dict[str, int | None]:
        return {"one": ramp(20 if 20 <= second < 100 else second), "two": ramp(min(second, 40)) + second % 2}

    verdicts = [tracks["one"].verdict for tracks in seen(values, 140)]
    assert set(verdicts[30:100]) == {Verdict.STUCK}
    assert verdicts.index(Verdict.SOUND, 100) == pytest.approx(115, abs=2)


def test_what_a_liar_said_before_is_forgotten() -> None:
    *_, last = seen(lambda s: {"one": 127_000 if s < 20 else ramp(s)}, 37)
    assert last["one"].sound
    assert all(one.value < LIMIT for one in last["one"].samples)
