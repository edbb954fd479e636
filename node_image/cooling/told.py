"""What the agent says of its node: one document, on HTTP and as a file in the volume that the node's services share.

The file is how the mint learns that it is too hot, and the courier what to tell the bus: the agent itself needs no
way into another container. It is written at every look, so one that is old is one of an agent that is gone.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

FILE = "cooling.json"
FRESH_S = 30.0  # an agent that is gone for longer has no say: the hardware's own protection is left


class Sensor(msgspec.Struct, frozen=True):
    """Degrees Celsius; `celsius` is what it said last."""

    name: str
    celsius: float | None
    limit_celsius: float
    verdict: str


class Fan(msgspec.Struct, frozen=True):
    """`obeys`: its speed could be set."""

    name: str
    rpm: int | None
    obeys: bool


class Told(msgspec.Struct, frozen=True):
    """`rung` is normal, reduced, drain or stop; `weight` in percent; `pwm` 0 to 255."""

    schema: int
    rung: str
    weight: int
    reason: str
    seconds_to_limit: float | None
    pwm: int
    disk_free_bytes: int | None
    sensors: tuple[Sensor, ...]
    fans: tuple[Fan, ...]

    @property
    def stopped(self) -> bool:
        """The mint takes no claim."""
        return self.rung == "stop"


def write(file: Path, told: Told) -> None:
    """Whole or not at all."""
    part = file.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(told))
    part.replace(file)


def read(file: Path) -> Told | None:
    """As it stands there, of whatever age; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Told)
    except (OSError, msgspec.DecodeError):
        return None


def read_fresh(file: Path) -> Told | None:
    """None also where the agent has not written for `FRESH_S`."""
    try:
        written = file.stat().st_mtime_ns
    except OSError:
        return None
    return read(file) if is_fresh(written) else None


def is_fresh(written_ns: int) -> bool:
    """By the file's own time; where the clock is set meanwhile, the next look puts it right within a second."""
    return abs(time.time_ns() - written_ns) <= FRESH_S * 1e9
