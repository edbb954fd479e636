"""A clock is believed where the kernel says that something disciplines it, and as far as it says."""

from __future__ import annotations

import subprocess

import pytest

from infra.ops.looking import LOOK
from node_image.protocol.timing import Interval
from node_image.recovery import clock


@pytest.mark.parametrize(
    ("state", "error_s", "found"),
    [
        (0, 0.3, Interval(99, 101)),
        (0, 0.0, Interval(100, 100)),
        (4, 1.5, Interval(98, 102)),  # a leap second is going on
        (5, 0.0, Interval(0, None)),
        (-1, 0.0, Interval(0, None)),
        (0, 16.5, Interval(0, None)),
    ],
)
def test_the_interval_around_a_reading(state: int, error_s: float, found: Interval) -> None:
    assert clock.of(100.0, state, error_s) == found


def test_the_kernel_is_asked() -> None:
    told = clock.interval()
    assert told.hi is None or told.lo <= told.hi


def test_a_boot_is_told_the_same_way_over_ssh() -> None:
    shown = subprocess.run(["sh", "-c", LOOK.split(";")[0]], capture_output=True, text=True, timeout=10, check=True)
    assert shown.stdout.split() == ["boot", clock.boot()]
