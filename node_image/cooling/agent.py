"""The loop: look at the box, decide (governor.py), act. What may block runs in a thread: a bus can hang a read."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from node_image.cooling import governor, told
from node_image.cooling.fans import Fans
from node_image.cooling.governor import DEGREE, Look, State
from node_image.cooling.ladder import DWELL_S, Rung
from node_image.cooling.sensors import Fan, Reading, read_fans, read_sensors
from node_image.service import log

HANGS_S = 1.0  # a look that takes longer saw nothing
STALE_S = 5.0  # without a look for so long nothing is said to the front


@dataclass(frozen=True, slots=True)
class Places:
    """Where the box is looked at: its /sys/class and /proc; `run` is the volume that the services share."""

    tree: Path
    proc: Path
    run: Path


class Patient[T]:
    """One blocking call at a time in a thread; while one hangs, there is no other."""

    def __init__(self) -> None:
        self._running: asyncio.Task[T] | None = None

    async def run(self, call: Callable[[], T]) -> T | None:
        """Its result, or None where it is not there in time."""
        self._running = self._running or asyncio.create_task(asyncio.to_thread(call))
        done, _ = await asyncio.wait({self._running}, timeout=HANGS_S)
        if not done:
            return None
        ended, self._running = self._running, None
        return ended.result()


class Agent:
    """One node's; `state` and `document` are of the last look."""

    def __init__(self, places: Places, dwell_s: float = DWELL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._places, self._dwell_s, self._clock = places, dwell_s, clock
        self.fans = Fans()
        self.state = earlier(places.run / told.FILE, clock())
        self.document: told.Told | None = None
        self._outputs: tuple[Fan, ...] = ()
        self._disobeying: tuple[str, ...] = ()
        self._jiffies = (0, 0)
        self._written = True
        self._taken_at = clock()
        self._looking, self._driving = Patient[Look](), Patient[tuple[str, ...]]()

    async def run(self, every_s: float) -> None:
        """For ever."""
        while True:
            look = await self._looking.run(self.look)
            self.take(look or Look(self._clock(), (), free=self.state.free))
            obeyed = await self._driving.run(self.drive)
            self._disobeying = tuple(fan.name for fan in self._outputs) if obeyed is None else obeyed
            await asyncio.sleep(every_s)

    @property
    def stale(self) -> bool:
        """Nothing was seen for too long to say anything."""
        return self.document is None or self._clock() - self._taken_at > STALE_S

    def look(self) -> Look:
        """What there is to see; blocks."""
        readings: tuple[Reading, ...] = read_sensors(self._places.tree)
        self._outputs = read_fans(self._places.tree)
        return Look(self._clock(), readings, self._load(), self._free())

    def take(self, look: Look) -> None:
        """Decide, and say it."""
        before, self.state = self.state, governor.step(self.state, look, self._dwell_s)
        self._taken_at = self._clock()
        self.document = document(self.state, self._outputs, self._disobeying)
        self._write(self.document)
        if _news(before) != _news(self.state):
            log("cooling", rung=self.document.rung, weight=self.document.weight, reason=self.document.reason)

    def _write(self, document: told.Told) -> None:
        """A full disk is no reason to stop cooling; the mint goes by what it was told last, while that is fresh."""
        try:
            told.write(self._places.run / told.FILE, document)
            self._written = True
        except OSError as fault:
            if self._written:
                log("cooling.json can't be written", level="warning", reason=str(fault))
            self._written = False

    def drive(self) -> tuple[str, ...]:
        """The fans, as decided; the names of those that don't obey. Blocks."""
        return self.fans.drive(self._outputs, self.state.pwm)

    def _load(self) -> float | None:
        """Of all processors since the last look, 0 to 1; None at the first."""
        with suppress(OSError, ValueError):
            first = (self._places.proc / "stat").read_text().split("\n", 1)[0]
            times = [int(word) for word in first.split()[1:]]
            busy, total = sum(times) - times[3] - times[4], sum(times)  # 4th: idle, 5th: waits for a disk
            (busy_before, before), self._jiffies = self._jiffies, (busy, total)
            if before and total > before:
                return (busy - busy_before) / (total - before)
        return None

    def _free(self) -> int | None:
        """Bytes on the disk of the node's volumes, the journal's among them."""
        with suppress(OSError):
            found = os.statvfs(self._places.run)
            return found.f_bavail * found.f_frsize
        return None


def earlier(file: Path, now: float) -> State:
    """What an earlier life knew: a sensor that went with a restart is missed, and a rung is not left by one."""
    before = told.read(file)
    if before is None:
        return State()
    rung = Rung[before.rung.upper()] if told.read_fresh(file) else Rung.NORMAL  # a box that was off has cooled down
    return governor.known({one.name: int(one.limit_celsius * DEGREE) for one in before.sensors}, rung, now)


def _news(state: State) -> tuple[object, ...]:
    return state.weight, state.place.rung, state.untrusted


def document(state: State, outputs: tuple[Fan, ...], disobeying: tuple[str, ...]) -> told.Told:
    """The state as it is told."""
    said = [state.reason] if state.reason else []
    sensors = tuple(
        told.Sensor(
            track.name, None if track.value is None else track.value / DEGREE, track.limit / DEGREE, track.verdict
        )
        for track in state.tracks.values()
    )
    return told.Told(
        schema=1,
        rung=state.place.rung.name.lower(),
        weight=state.weight,
        reason="; ".join([*said, *(f"{name} does not obey" for name in disobeying)]),
        seconds_to_limit=state.seconds_to_limit,
        pwm=state.pwm,
        disk_free_bytes=state.free,
        sensors=sensors,
        fans=tuple(told.Fan(fan.name, fan.rpm, fan.name not in disobeying) for fan in outputs),
    )
