"""What is read out of a tree as the kernel lays it out, and what of it is no limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from node_image.cooling.sensors import BELOW_CRITICAL, DEFAULT_LIMIT, Reading, read_fans, read_sensors
from tests.sensor_tree import COOL, DIE, DIE_NAME, FAN_NAME, OTHER_NAME, ZONE_NAME, SensorTree, make_tree


@pytest.fixture
def tree(tmp_path: Path) -> SensorTree:
    return make_tree(tmp_path / "class")


def test_temperatures_come_with_the_hardwares_own_limits(tree: SensorTree) -> None:
    assert read_sensors(tree.folder) == (
        Reading(DIE_NAME, COOL, 90_000),
        Reading(OTHER_NAME, COOL, 100_000 - BELOW_CRITICAL),
        Reading(ZONE_NAME, COOL, 90_000),
    )


def test_a_fan_is_its_pwm_with_the_tachometer_of_its_number(tree: SensorTree) -> None:
    (fan,) = read_fans(tree.folder)
    assert (fan.name, fan.rpm, fan.mode.name) == (FAN_NAME, 1180, "pwm2_enable")


@pytest.mark.parametrize("told", ["0", "65261850", "-273150", "none"])
def test_what_a_driver_says_for_no_limit_is_none(tree: SensorTree, told: str) -> None:
    for name in ("temp1_max", "temp1_crit"):
        tree.write(f"hwmon/hwmon0/{name}", told)
    assert read_sensors(tree.folder)[0].limit == DEFAULT_LIMIT


def test_a_trip_that_only_starts_a_fan_is_no_limit(tree: SensorTree) -> None:
    tree.remove("thermal/thermal_zone0/trip_point_1_type")
    tree.remove("thermal/thermal_zone0/trip_point_0_type")
    assert read_sensors(tree.folder)[2].limit == DEFAULT_LIMIT


def test_a_sensor_that_says_itself_that_it_is_faulty_tells_nothing(tree: SensorTree) -> None:
    tree.write("hwmon/hwmon0/temp1_fault", 1)
    assert read_sensors(tree.folder)[0].value is None


def test_one_that_was_switched_off_is_not_there(tree: SensorTree) -> None:
    tree.write("hwmon/hwmon0/temp1_enable", 0)
    tree.write("thermal/thermal_zone0/mode", "disabled")
    assert [one.name for one in read_sensors(tree.folder)] == [OTHER_NAME]


def test_an_unreadable_value_is_told_as_none(tree: SensorTree) -> None:
    tree.write(DIE, "")
    assert read_sensors(tree.folder)[0].value is None


def test_the_name_is_the_devices_and_not_hwmons_number(tree: SensorTree) -> None:
    before = read_sensors(tree.folder)
    (tree.folder / "hwmon/hwmon0").rename(tree.folder / "hwmon/hwmon7")
    assert read_sensors(tree.folder) == before


def test_two_chips_of_one_name_are_two(tree: SensorTree) -> None:
    for number in (2, 3):
        tree.write(f"hwmon/hwmon{number}/name", "nvme")
        tree.write(f"hwmon/hwmon{number}/temp1_input", 50_000)
    assert {"nvme/temp1", "nvme/temp1 #2"} < {one.name for one in read_sensors(tree.folder)}


def test_a_tree_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert (read_sensors(tmp_path / "none"), read_fans(tmp_path / "none")) == ((), ())
