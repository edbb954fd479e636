"""What was measured of a box, as data: the parts that `measure.py` tells, and the two that are known from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


class System(msgspec.Struct, frozen=True):
    """Whose operating system; `likes`: its id and those of its kin."""

    likes: list[str]
    name: str
    version: str
    machine: str
    kernel: str


class Cpu(msgspec.Struct, frozen=True):
    """Signatures a second of one thread on secp256k1, `by` which library."""

    cores: int
    signs_per_s: float
    by: str


class Memory(msgspec.Struct, frozen=True):
    """Of the whole box."""

    total_bytes: int
    available_bytes: int


class Disk(msgspec.Struct, frozen=True):
    """The journal's file system; how long the sync of a 4 KiB append takes on it."""

    folder: str
    kind: str
    free_bytes: int
    syncs: int
    p50_ms: float
    p99_ms: float


class Clock(msgspec.Struct, frozen=True):
    """Whether its kernel says that somebody keeps it right."""

    synchronised: bool


class Sensor(msgspec.Struct, frozen=True):
    """`celsius` is None where it gives no number, the limit where it names none."""

    chip: str
    label: str
    celsius: float | None
    limit_celsius: float | None


class Fan(msgspec.Struct, frozen=True):
    """By its chip and number."""

    chip: str
    fan: int
    rpm: int | None


class Heat(msgspec.Struct, frozen=True):
    """All that hwmon and the thermal zones tell."""

    sensors: list[Sensor]
    fans: list[Fan]


class Keystore(msgspec.Struct, frozen=True):
    """What may hold keys: the TPM's version or "", and the products on USB."""

    tpm: str
    usb: list[str]


class Engine(msgspec.Struct, frozen=True):
    """Docker (version "" where it doesn't answer) and what it needs of the kernel."""

    installed: bool
    version: str
    driver: str
    overlay: bool
    cgroups: int
    controllers: list[str]


class Hub(msgspec.Struct, frozen=True):
    """Handshakes with the hub, one try every 20 ms; times are None where none came about."""

    place: str
    tries: int
    answered: int
    p50_ms: float | None
    p99_ms: float | None
    mtu_bytes: int | None


class Offset(msgspec.Struct, frozen=True):
    """The box's clock less this machine's, and how wrong that may be: half of the shortest round trip."""

    seconds: float
    error_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One box: the parts that were told, and why others were not. What stands in neither was not asked for."""

    told: Mapping[type[msgspec.Struct], msgspec.Struct] = field(default_factory=dict)
    why: Mapping[type[msgspec.Struct], str] = field(default_factory=dict)

    def part[T: msgspec.Struct](self, kind: type[T]) -> T | None:
        """As it was told."""
        found = self.told.get(kind)
        return found if isinstance(found, kind) else None


# What `measure.py` tells, by the names it gives.
PARTS: dict[str, type[msgspec.Struct]] = {
    kind.__name__.lower(): kind for kind in (System, Cpu, Memory, Disk, Clock, Heat, Keystore, Engine, Hub)
}
