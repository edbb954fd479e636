"""A tree as /sys/class has it, in a test's folder: two dies and a fan of hwmon, a thermal zone. It knows no physics.

As there, each chip is a link to its device, below `devices` beside the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DIE, OTHER_DIE = "hwmon/hwmon0/temp1_input", "hwmon/hwmon0/temp2_input"
ZONE = "thermal/thermal_zone0/temp"
INPUTS = (DIE, OTHER_DIE, ZONE)
PWM, MODE = "hwmon/hwmon1/pwm2", "hwmon/hwmon1/pwm2_enable"
LIMIT = 90_000  # of all three
DIE_NAME, OTHER_NAME = "coretemp@coretemp.0/temp1 Package id 0", "coretemp@coretemp.0/temp2 Core 0"
ZONE_NAME = "x86_pkg_temp/thermal_zone0"
FAN_NAME = "nct6775@nct6775.656/pwm2"
COOL = 35_000
DEVICES = {
    "hwmon/hwmon0": "platform/coretemp.0/hwmon/hwmon0",
    "hwmon/hwmon1": "platform/nct6775.656/hwmon/hwmon1",
    "thermal/thermal_zone0": "virtual/thermal/thermal_zone0",
}
FILES = {
    "hwmon/hwmon0/name": "coretemp",
    "hwmon/hwmon0/temp1_label": "Package id 0",
    "hwmon/hwmon0/temp1_max": "90000",
    "hwmon/hwmon0/temp1_crit": "100000",
    "hwmon/hwmon0/temp2_label": "Core 0",
    "hwmon/hwmon0/temp2_crit": "100000",
    "hwmon/hwmon1/name": "nct6775",
    "hwmon/hwmon1/fan2_input": "1180",
    PWM: "120",
    MODE: "5",
    "thermal/thermal_zone0/type": "x86_pkg_temp",
    "thermal/thermal_zone0/mode": "enabled",
    "thermal/thermal_zone0/trip_point_0_type": "critical",
    "thermal/thermal_zone0/trip_point_0_temp": "105000",
    "thermal/thermal_zone0/trip_point_1_type": "passive",
    "thermal/thermal_zone0/trip_point_1_temp": "90000",
    "thermal/thermal_zone0/trip_point_2_type": "active",
    "thermal/thermal_zone0/trip_point_2_temp": "50000",
}


@dataclass(frozen=True, slots=True)
class SensorTree:
    """All files below `folder`."""

    folder: Path

    def write(self, name: str, value: object) -> None:
        """One file, as a driver would show it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")

    def heat(self, millidegrees: int, *names: str) -> None:
        """These temperatures, all where none is named."""
        for name in names or INPUTS:
            self.write(name, millidegrees)

    def remove(self, name: str) -> None:
        """It vanishes."""
        (self.folder / name).unlink()

    def number(self, name: str) -> int:
        """What stands in a file."""
        return int((self.folder / name).read_text())


def make_tree(folder: Path) -> SensorTree:
    """A cool box."""
    tree = SensorTree(folder)
    for name, device in DEVICES.items():
        real = folder.parent / "devices" / device
        real.mkdir(parents=True)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(f"../../devices/{device}")
        if name.startswith("hwmon/"):
            (real / "device").symlink_to("../../../" + real.parent.parent.name)
    for name, value in FILES.items():
        tree.write(name, value)
    tree.heat(COOL)
    return tree
