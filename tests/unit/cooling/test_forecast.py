"""The forecast by hand-made samples: straight, noisy, with outliers, falling."""

from __future__ import annotations

import pytest

from node_image.cooling.forecast import HORIZON_S, seconds_to, slope
from node_image.cooling.health import Sample

LIMIT = 90_000


def rising(per_second: float, seconds: int = 30, first: float = 60_000) -> list[Sample]:
    return [Sample(float(second), first + per_second * second) for second in range(seconds)]


@pytest.mark.parametrize("per_second", [100.0, 500.0, 1000.0])
def test_a_straight_rise_is_told_to_the_second(per_second: float) -> None:
    samples = rising(per_second)
    assert slope(samples) == pytest.approx(per_second)
    assert seconds_to(LIMIT, samples) == pytest.approx((LIMIT - samples[-1].value) / per_second)


def test_a_quarter_of_wild_samples_change_little() -> None:
    """Least squares would be led away by each of them."""
    samples = [Sample(one.at, 120_000 if n % 4 == 1 else one.value) for n, one in enumerate(rising(500))]
    assert slope(samples) == pytest.approx(500, rel=0.3)


def test_steps_of_a_whole_degree_are_no_rise() -> None:
    assert seconds_to(LIMIT, [Sample(float(s), 60_000 + 1000 * (s % 3 == 0)) for s in range(30)]) is None


@pytest.mark.parametrize("samples", [[], rising(500, 4), [Sample(n / 10, 60_000 + 900 * n) for n in range(10)]])
def test_a_short_past_tells_nothing(samples: list[Sample]) -> None:
    assert seconds_to(LIMIT, samples) is None


def test_what_falls_or_lies_far_ahead_never_comes() -> None:
    assert seconds_to(LIMIT, rising(-500)) is None
    assert seconds_to(LIMIT, rising(21, first=60_000)) is None, f"more than {HORIZON_S} s"


def test_a_drift_of_less_than_a_degree_in_fifty_seconds_is_noise() -> None:
    assert seconds_to(LIMIT, rising(15, first=89_000)) is None
    assert seconds_to(LIMIT, rising(30, first=89_000)) is not None


def test_at_the_limit_it_is_now_whatever_the_slope() -> None:
    assert seconds_to(LIMIT, rising(-100, first=100_000)) == 0.0
