"""The four rungs of heat: normal, reduced weight, drain, stop. Up at once, down one at a time after a calm. Pure.

Where sensors were known and none of them is believed any more, the weight is reduced and the fans run full: a sensor
that failed is no reason to turn buyers away, and no proof that it is cool either. A rung that was climbed by heat is
not left blindly: the last that was known is that it was too hot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

EASED = 4_000  # so much more head-room than a rung asks for before it is left
DWELL_S = 30.0


class Rung(IntEnum):
    """Higher is hotter."""

    NORMAL = 0
    REDUCED = 1
    DRAIN = 2
    STOP = 3

    @property
    def weight(self) -> int:
        """Percent of the node's weight at its front; at 0 it gets no new claim while another node is there."""
        return (100, 50, 0, 0)[self]


@dataclass(frozen=True, slots=True)
class Heat:
    """One believed sensor: millidegrees below its limit, and seconds until it is there, if it rises."""

    headroom: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A rung is called for at `headroom`, and already within `reach` where the limit is `seconds` away."""

    rung: Rung
    headroom: int
    reach: int
    seconds: float


STEPS = (  # the hottest first
    Step(Rung.STOP, 3_000, 6_000, 5.0),
    Step(Rung.DRAIN, 8_000, 12_000, 20.0),
    Step(Rung.REDUCED, 15_000, 25_000, 60.0),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the ladder; `calm_since`: since when a lower rung would do."""

    rung: Rung = Rung.NORMAL
    calm_since: float | None = None


def demand(heats: Sequence[Heat], eased: int = 0) -> Rung:
    """The rung that the hottest asks for, each taken as `eased` millidegrees hotter than it is."""
    return max((_of_one(heat, eased) for heat in heats), default=Rung.NORMAL)


def _of_one(heat: Heat, eased: int) -> Rung:
    headroom = heat.headroom - eased
    for step in STEPS:
        soon = heat.seconds is not None and heat.seconds <= step.seconds
        if headroom <= (step.reach if soon else step.headroom):
            return step.rung
    return Rung.NORMAL


def climb(place: Place, heats: Sequence[Heat] | None, now: float, dwell_s: float = DWELL_S) -> Place:
    """The next place; None for `heats` where no sensor is believed. Never lower than what the heat asks for."""
    if heats is None:
        return Place(max(place.rung, Rung.REDUCED))
    hotter = demand(heats)
    if hotter > place.rung:
        return Place(hotter)
    if demand(heats, EASED) >= place.rung:
        return Place(place.rung)
    since = now if place.calm_since is None else place.calm_since
    return Place(place.rung, since) if now - since < dwell_s else Place(Rung(place.rung - 1))
