"""Temperatures with the hardware's own limits, and fans, out of a tree as /sys/class is one.

All temperatures are millidegrees Celsius. The tree's form: Documentation/hwmon/sysfs-interface.rst and
Documentation/driver-api/thermal/sysfs-api.rst of the kernel. Whatever goes away while it is read is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_LIMIT = 85_000  # where the hardware names none: what most parts of such boxes are rated for
BELOW_CRITICAL = 10_000  # at the critical one it is switched off: it throttles before that
CREDIBLE_LIMITS = range(30_000, 130_000)  # drivers say 0 or 65,261,850 for "none"
THROTTLING_TRIPS = ("passive", "hot")
_INPUT = re.compile(r"temp(\d+)_input")
_PWM = re.compile(r"pwm\d+")


@dataclass(frozen=True, slots=True)
class Reading:
    """One temperature; `value` is None where the sensor does not tell, or says itself that it is faulty."""

    name: str  # coretemp@coretemp.0/temp1 Package id 0
    value: int | None
    limit: int  # from here on the hardware throttles


@dataclass(frozen=True, slots=True)
class Fan:
    """One PWM output; `rpm` of the fan of the same number, None where it has no tachometer."""

    name: str  # nct6775@nct6775.656/pwm2
    pwm: Path
    rpm: int | None

    @property
    def mode(self) -> Path:
        """Who drives it: 0 nobody (full speed), 1 us, 2 and above the chip."""
        return self.pwm.with_name(f"{self.pwm.name}_enable")


def read_sensors(tree: Path) -> tuple[Reading, ...]:
    """All temperatures of the tree, by name."""
    found = [*_hwmon(tree), *_zones(tree)]
    return tuple(sorted(_distinct(found), key=lambda one: one.name))


def read_fans(tree: Path) -> tuple[Fan, ...]:
    """All PWM outputs of the tree."""
    return tuple(
        Fan(f"{chip}/{pwm.name}", pwm, number(folder / f"fan{pwm.name.removeprefix('pwm')}_input"))
        for folder, chip in _chips(tree)
        for pwm in sorted(folder.glob("pwm*"))
        if _PWM.fullmatch(pwm.name)
    )


def number(path: Path) -> int | None:
    """A file's one number; None where it can't be read or is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _chips(tree: Path) -> Iterator[tuple[Path, str]]:
    """Each chip's folder and its name; hwmon's own numbers change from boot to boot, the device's name does not."""
    for folder in sorted(tree.glob("hwmon/hwmon*")):
        device = folder / "device"
        if name := _text(folder / "name"):
            yield folder, f"{name}@{device.resolve().name}" if device.exists() else name


def _hwmon(tree: Path) -> Iterator[Reading]:
    for folder, chip in _chips(tree):
        for file in folder.glob("temp*_input"):
            found = _INPUT.fullmatch(file.name)
            if not found or number(folder / f"temp{found[1]}_enable") == 0:
                continue
            channel = f"temp{found[1]}"
            faulty = number(folder / f"{channel}_fault") == 1
            label = _text(folder / f"{channel}_label")
            limit = _limit([number(folder / f"{channel}_max")], number(folder / f"{channel}_crit"))
            yield Reading(f"{chip}/{channel} {label}".strip(), None if faulty else number(file), limit)


def _zones(tree: Path) -> Iterator[Reading]:
    for folder in tree.glob("thermal/thermal_zone*"):
        kind = _text(folder / "type")
        if not kind or _text(folder / "mode") == "disabled":
            continue
        trips = [
            (_text(file), number(file.with_name(file.name.replace("_type", "_temp"))))
            for file in folder.glob("trip_point_*_type")
        ]
        throttling = [at for what, at in trips if what in THROTTLING_TRIPS]
        critical = next((at for what, at in trips if what == "critical"), None)
        yield Reading(f"{kind}/{folder.name}", number(folder / "temp"), _limit(throttling, critical))


def _limit(throttling: Iterable[int | None], critical: int | None) -> int:
    told = [at for at in throttling if at is not None and at in CREDIBLE_LIMITS]
    if critical is not None and critical in CREDIBLE_LIMITS:
        told.append(critical - BELOW_CRITICAL)
    return min(told, default=DEFAULT_LIMIT)


def _distinct(found: Iterable[Reading]) -> Iterator[Reading]:
    """Two chips of one name and no device: the second is `#2`."""
    seen: dict[str, int] = {}
    for one in found:
        seen[one.name] = seen.get(one.name, 0) + 1
        again = f" #{seen[one.name]}" if seen[one.name] > 1 else ""
        yield Reading(f"{one.name}{again}", one.value, one.limit)
