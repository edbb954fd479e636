"""Whether a sensor is to be believed: sound, stuck, vanished or lying. Pure.

A fault is noticed within ten seconds (`VANISHED_S`, `STUCK_S`, at once where it lies); a sensor that was not believed
is believed again once it has behaved for `SOUND_S`. A standing value alone is no fault: an idle box is that quiet.
It is one where the sensor is known to move and the others, or the load, did while it stood still; and where it never
moved and stands at its limit, as an input that nothing is connected to: hot parts tremble. What is not told from the
truth: a sensor that never moved and stands below its limit, and one that drifts slowly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from node_image.cooling.sensors import Reading

WINDOW_S = 30.0  # of samples that are kept
VANISHED_S = 3.0
STUCK_S = 7.0
ANSWERS_S = 3.0  # so long may a sensor take to follow the others
SOUND_S = 15.0
UNMOVED_S = 20.0  # at the limit
AT_LIMIT = 3_000  # millidegrees below it; there the mint is stopped (ladder.py)
LIVELY = 3  # changes of a sensor that is known to move
MOVED = 3_000  # millidegrees of another sensor
LOAD_MOVED = 0.5  # of all processors
FASTEST = 40_000  # millidegrees in a second: a die under a burst does half of it
CREDIBLE = range(-20_000, 125_000)  # an open thermistor reads far below, or exactly 127 degrees


class Verdict(StrEnum):
    """What a sensor is."""

    SOUND = "sound"
    STUCK = "stuck"
    VANISHED = "vanished"
    LYING = "lying"


@dataclass(frozen=True, slots=True)
class Sample:
    """A value at a time, seconds of a clock that never jumps; of a sensor in millidegrees, of the load 0 to 1."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Track:
    """One sensor as it was seen; `samples` oldest first."""

    name: str
    limit: int
    seen_at: float
    samples: tuple[Sample, ...] = ()
    changes: int = 0
    verdict: Verdict = Verdict.SOUND
    bad_at: float = 0.0  # when it misbehaved last

    @property
    def sound(self) -> bool:
        """Believed, and there is a value to believe."""
        return self.verdict is Verdict.SOUND and bool(self.samples)

    @property
    def value(self) -> int | None:
        """What it said last."""
        return int(self.samples[-1].value) if self.samples else None


def follow(
    tracks: Mapping[str, Track], readings: Iterable[Reading], loads: Sequence[Sample], now: float
) -> dict[str, Track]:
    """All sensors after one look at them; one that was known and is not there stays known."""
    told = {one.name: one for one in readings if one.value is not None}  # what never told anything is not missed
    seen = {name: _seen(tracks.get(name), told.get(name), name, now) for name in tracks.keys() | told.keys()}
    moving = {name: _movements(name, seen, loads) for name in seen}
    return {name: _judged(track, moving[name], now) for name, track in sorted(seen.items())}


def recent(samples: Sequence[Sample], now: float) -> tuple[Sample, ...]:
    """Those of the window."""
    return tuple(one for one in samples if one.at > now - WINDOW_S)


def _seen(track: Track | None, reading: Reading | None, name: str, now: float) -> Track:
    track = track or Track(name, 0, now)
    if reading is None or reading.value is None:
        return track
    changed = track.value is not None and track.value != reading.value
    samples = recent((*track.samples, Sample(now, reading.value)), now)
    changes = track.changes + changed
    return replace(track, limit=reading.limit, seen_at=now, samples=samples, changes=changes)


def _movements(name: str, seen: Mapping[str, Track], loads: Sequence[Sample]) -> list[tuple[Sequence[Sample], float]]:
    """Who else could have seen it move: samples, and what of them is a movement."""
    others = [(track.samples, float(MOVED)) for other, track in seen.items() if other != name and track.sound]
    return [*others, (loads, LOAD_MOVED)]


def _judged(track: Track, moving: Sequence[tuple[Sequence[Sample], float]], now: float) -> Track:
    fault = _fault(track, moving, now)
    if fault is Verdict.LYING:  # what it said is no ground for a forecast
        return replace(track, verdict=fault, bad_at=now, samples=track.samples[-1:])
    if fault is not None:
        return replace(track, verdict=fault, bad_at=now)
    if track.verdict is not Verdict.SOUND and now - track.bad_at < SOUND_S:
        return track
    return replace(track, verdict=Verdict.SOUND)


def _fault(track: Track, moving: Sequence[tuple[Sequence[Sample], float]], now: float) -> Verdict | None:
    if now - track.seen_at >= VANISHED_S:
        return Verdict.VANISHED
    if track.samples and (_incredible(track) or _jumped(track.samples)):
        return Verdict.LYING
    return Verdict.STUCK if _stuck(track, moving, now) else None


def _incredible(track: Track) -> bool:
    return track.value not in CREDIBLE


def _jumped(samples: Sequence[Sample]) -> bool:
    if len(samples) == 1:
        return False
    before, after = samples[-2:]
    return abs(after.value - before.value) > FASTEST * max(1.0, after.at - before.at)


def _stuck(track: Track, moving: Sequence[tuple[Sequence[Sample], float]], now: float) -> bool:
    since = stands_since(track.samples)
    if since is None:
        return False
    if track.verdict is Verdict.STUCK and since <= track.bad_at:
        return True
    if track.changes < LIVELY:
        return _unmoved_at_limit(track, now - since)
    if now - since < STUCK_S:
        return False
    return any(_span(samples, since, now - ANSWERS_S) >= least for samples, least in moving)


def _unmoved_at_limit(track: Track, seconds: float) -> bool:
    hot = track.value is not None and track.value >= track.limit - AT_LIMIT
    return hot and track.changes == 0 and seconds >= UNMOVED_S


def stands_since(samples: Sequence[Sample]) -> float | None:
    """When the present value was first said without another one after it; None where there is none."""
    since = None
    for one in reversed(samples):
        if one.value != samples[-1].value:
            break
        since = one.at
    return since


def _span(samples: Sequence[Sample], first: float, last: float) -> float:
    values = [one.value for one in samples if first <= one.at <= last]
    return max(values) - min(values) if values else 0.0
