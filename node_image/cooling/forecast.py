"""When a sensor reaches its limit, by the slope that most of its samples agree on. Pure.

Theil and Sen's estimator, the median of the slopes between all pairs: up to 29 % of the samples may be anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

from node_image.cooling.health import Sample

LEAST_SAMPLES = 5
LEAST_S = 2.0  # a shorter past tells nothing
MOST_SAMPLES = 32  # 496 pairs: under a millisecond
HORIZON_S = 900.0  # what lies further ahead is no forecast
FLAT = 20.0  # millidegrees a second: noise of a sensor with steps of a degree


def slope(samples: Sequence[Sample]) -> float:
    """Millidegrees a second; 0 where too little is known."""
    if len(samples) < LEAST_SAMPLES or samples[-1].at - samples[0].at < LEAST_S:
        return 0.0
    every = -(-len(samples) // MOST_SAMPLES)
    thinned = samples[::-1][::every]  # the newest is always among them
    return median((one.value - other.value) / (one.at - other.at) for one, other in combinations(thinned, 2))


def seconds_to(limit: int, samples: Sequence[Sample]) -> float | None:
    """Seconds until the limit at the present slope; 0 at the limit, None where it does not come near."""
    if not samples:
        return None
    left = limit - samples[-1].value
    if left <= 0:
        return 0.0
    rising = slope(samples)
    if rising <= FLAT:
        return None
    seconds = left / rising
    return seconds if seconds <= HORIZON_S else None
