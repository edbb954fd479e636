"""A token bucket, pure: so many a second, so many at once.

Kept as one number, the time at which the bucket is full again (GCRA, ITU-T I.371 annex A): whole nanoseconds, so that
no rounding ever gives a token too many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SECOND = 1_000_000_000
FASTEST = 1_000_000.0
LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Quota:
    """One token comes every `every_ns`; at most `burst` wait in the bucket."""

    every_ns: int
    burst: int

    @staticmethod
    def of(per_second: float, burst: int | None = None) -> Quota:
        """ValueError where either is not above 0 or past all sense; without a burst, what a second gives."""
        if not 0 < per_second <= FASTEST:
            raise ValueError("a quota is above 0 and at most a million a second")
        held = math.ceil(per_second) if burst is None else burst
        if not 0 < held <= LARGEST:
            raise ValueError("a burst is 1 to a million")
        return Quota(math.ceil(SECOND / per_second), held)

    def wait_ns(self, full_at: int, now: int) -> int:
        """How long until a token is there; 0 where one is."""
        return max(0, full_at - (self.burst - 1) * self.every_ns - now)

    def take(self, full_at: int, now: int) -> int:
        """The bucket after one token is taken; only where `wait_ns` is 0."""
        return max(full_at, now) + self.every_ns

    def left(self, full_at: int, now: int) -> int:
        """Whole tokens in the bucket."""
        return self.burst - math.ceil(max(0, full_at - now) / self.every_ns)
