"""Time as an interval that surely holds it, grown from the machine's own clock since a source was last believed.

A machine's wall clock is nobody's word. What is believed is a reading: a source (NTS, the hub, GPS, the tech's signed
token) said between which two instants the time lay when CLOCK_BOOTTIME stood at some count. From there on the interval
moves with that count and widens by 200 ppm. Another boot has another count: the upper end is then open until a source
is heard, and the lower one is the persisted floor. All in milliseconds; the rules take whole seconds, rounded outwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node_image.protocol.errors import ProtocolError

DRIFT_PPM = 200  # what a cheap crystal loses or gains, with room
JUMP_MS = 300_000
SOURCES = frozenset({"nts", "hub", "gps", "owner"})


class TimeRefused(ProtocolError):
    """A reading that is not believed; the message says why."""


class SecondSourceNeeded(TimeRefused):
    """A jump that one source alone may not make."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The time is in here, in Unix seconds; `hi` is None where nothing bounds it."""

    lo: int
    hi: int | None

    def surely_from(self, instant: int) -> bool:
        """It is certainly `instant` or later."""
        return self.lo >= instant

    def surely_before(self, instant: int) -> bool:
        """It is certainly before `instant`."""
        return self.hi is not None and self.hi < instant


@dataclass(frozen=True, slots=True)
class Boot:
    """Where a machine's CLOCK_BOOTTIME stands; counts of two boots can't be compared."""

    id: str
    ms: int


def drift_ms(passed_ms: int) -> int:
    """By how much a machine's count of so long may be wrong, rounded up."""
    return -(-passed_ms * DRIFT_PPM // 1_000_000)


@dataclass(frozen=True, slots=True)
class Reading:
    """`source` said that the time lay in [lo_ms, hi_ms] when the count was `boot`."""

    source: str
    lo_ms: int
    hi_ms: int
    boot: Boot

    def grown(self, boot: Boot) -> Reading | None:
        """What it says of a later count of the same boot."""
        passed = boot.ms - self.boot.ms
        if boot.id != self.boot.id or passed < 0:
            return None
        slack = drift_ms(passed)
        return Reading(self.source, self.lo_ms + passed - slack, self.hi_ms + passed + slack, boot)


@dataclass(frozen=True, slots=True)
class Clock:
    """What a journal's TIME frames add up to.

    Invariant: `floor_ms` only grows, but for a command; one source alone never moves it by more than JUMP_MS beyond
    what the machine's own count explains, however many small steps it takes (`strayed_ms` adds them up).
    """

    floor_ms: int = 0
    anchor: Reading | None = None
    strayed_ms: int = 0

    def at(self, boot: Boot) -> Interval:
        """The interval at this count, in seconds rounded outwards."""
        lo, hi = self.bounds(boot)
        return Interval(lo // 1000, None if hi is None else -(-hi // 1000))

    def take(self, readings: Sequence[Reading]) -> Clock:
        """Believe these readings, which agree, of one boot; TimeRefused with the reason."""
        boot = max((reading.boot for reading in readings), key=lambda boot: boot.ms)
        told = _agreed(readings, boot)
        lo, hi = self.bounds(boot)
        strayed = self._strayed(told, lo, hi)
        if len({reading.source for reading in readings}) > 1:
            strayed = 0
        elif strayed > JUMP_MS:
            raise SecondSourceNeeded(
                f"{told.source} alone would move the time by {strayed // 1000} s; more than {JUMP_MS // 1000} takes two"
            )
        if told.hi_ms < self.floor_ms:
            raise TimeRefused(
                f"{told.source} says a time {(self.floor_ms - told.hi_ms) // 1000} s before the persisted floor; "
                "only a signed command lowers that"
            )
        narrow = hi is not None and told.lo_ms <= hi and lo <= told.hi_ms
        new_lo = max(told.lo_ms, lo if narrow else self.floor_ms)
        new_hi = min(told.hi_ms, hi) if narrow and hi is not None else told.hi_ms
        names = _names(told.source, self.anchor.source if narrow and self.anchor else "")
        return Clock(max(self.floor_ms, new_lo), Reading(names, new_lo, new_hi, boot), strayed)

    def doubted(self, heard: Sequence[Reading], boot: Boot) -> bool:
        """Whether another source contradicts what one source alone says: then nothing bounds the time until two agree.

        After a reboot a source that says hardly any time has passed would otherwise keep a window open.
        """
        lo, hi = self.bounds(boot)
        if hi is None or self.anchor is None or "+" in self.anchor.source:
            return False
        grown = [reading.grown(boot) for reading in heard if reading.source != self.anchor.source]
        return any(max(told.lo_ms - hi, lo - told.hi_ms) > JUMP_MS for told in grown if told)

    def lowered(self, floor_ms: int, last_issued_at: int) -> Clock:
        """By the owner's command: never below what was signed, never upwards; then a source must be heard anew."""
        if floor_ms > self.floor_ms:
            raise TimeRefused("a command lowers the floor; sources raise it")
        if floor_ms < last_issued_at * 1000:
            raise TimeRefused(f"a batch was issued at {last_issued_at}: the floor does not go below that")
        return Clock(floor_ms)

    def bounds(self, boot: Boot) -> tuple[int, int | None]:
        """The interval in milliseconds."""
        here = self.anchor.grown(boot) if self.anchor else None
        return (max(self.floor_ms, here.lo_ms), here.hi_ms) if here else (self.floor_ms, None)

    def _strayed(self, told: Reading, lo: int, hi: int | None) -> int:
        """How far a reading stands outside what was known, added to what one source strayed before."""
        if self.anchor is None and self.floor_ms == 0:
            return 0  # a first reading has nothing to jump from
        ahead = told.lo_ms - (lo if hi is None else hi)
        return self.strayed_ms + max(0, ahead, lo - told.hi_ms)


@dataclass(frozen=True, slots=True)
class Heard:
    """The clock after a reading, and the readings that moved it (for the TIME frame)."""

    clock: Clock
    readings: tuple[Reading, ...]


def hear(clock: Clock, new: Reading, waiting: Sequence[Reading]) -> Heard:
    """Believe a reading alone or, where it jumps, together with one that another source gave before; TimeRefused."""
    try:
        return Heard(_alone(clock, new, waiting), (new,))
    except SecondSourceNeeded as alone:
        for other in waiting:
            if other.source != new.source and other.boot.id == new.boot.id:
                try:
                    return Heard(clock.take((other, new)), (other, new))
                except (SecondSourceNeeded, Disagree):
                    continue
        raise alone from None


def _alone(clock: Clock, new: Reading, waiting: Sequence[Reading]) -> Clock:
    moved = clock.take((new,))
    if clock.at(new.boot).hi is None and moved.doubted(waiting, new.boot):
        raise SecondSourceNeeded(f"{new.source} is contradicted by another source")
    return moved


class Disagree(TimeRefused):
    """Two sources that can't both be right."""


def _agreed(readings: Sequence[Reading], boot: Boot) -> Reading:
    grown = [reading.grown(boot) for reading in readings]
    known = [reading for reading in grown if reading is not None]
    if len(known) < len(grown) or any(reading.source not in SOURCES for reading in known):
        raise TimeRefused("readings are of one boot and of a source we know")
    lo, hi = max(reading.lo_ms for reading in known), min(reading.hi_ms for reading in known)
    if lo > hi:
        raise Disagree(" and ".join(reading.source for reading in known) + " do not agree on the time")
    return Reading(_names(*(reading.source for reading in known)), lo, hi, boot)


def _names(*sources: str) -> str:
    """`hub+nts`: who stands behind a reading."""
    return "+".join(sorted({name for source in sources for name in source.split("+") if name}))
