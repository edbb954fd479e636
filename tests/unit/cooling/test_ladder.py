"""The ladder by example; what holds for every walk on it is in tests/property/test_cooling.py."""

from __future__ import annotations

import pytest

from node_image.cooling.ladder import DWELL_S, Heat, Place, Rung, climb, demand


@pytest.mark.parametrize(
    ("headroom", "seconds", "rung"),
    [
        (15_001, None, Rung.NORMAL),
        (15_000, None, Rung.REDUCED),
        (25_000, 60.0, Rung.REDUCED),
        (25_001, 60.0, Rung.NORMAL),
        (25_000, 61.0, Rung.NORMAL),
        (8_000, None, Rung.DRAIN),
        (12_000, 20.0, Rung.DRAIN),
        (3_000, None, Rung.STOP),
        (6_000, 5.0, Rung.STOP),
        (-1_000, None, Rung.STOP),
    ],
)
def test_what_each_rung_is_called_for_at(headroom: int, seconds: float | None, rung: Rung) -> None:
    assert demand([Heat(60_000), Heat(headroom, seconds)]) is rung


@pytest.mark.parametrize(("headroom", "left"), [(15_001, False), (19_000, False), (19_001, True)])
def test_a_rung_is_left_with_four_degrees_more_than_it_is_entered_at(headroom: int, *, left: bool) -> None:
    place = Place(Rung.REDUCED)
    for second in range(100):
        place = climb(place, [Heat(headroom)], float(second))
    assert (place.rung is Rung.NORMAL) is left


def test_a_warm_moment_begins_the_calm_anew() -> None:
    place = Place(Rung.REDUCED)
    for second in range(100):
        warm = second == DWELL_S - 1
        place = climb(place, [Heat(16_000 if warm else 40_000)], float(second))
        assert (place.rung is Rung.REDUCED) is (second < 2 * DWELL_S)


def test_the_hottest_decides() -> None:
    assert climb(Place(), [Heat(50_000), Heat(2_000), Heat(30_000)], 0.0).rung is Rung.STOP
