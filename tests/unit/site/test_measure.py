"""The script that runs on a box: on this machine, and against trees that stand in for hardware which isn't here."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from infra.home import ROOT
from infra.site import measure


def tree(root: Path, files: dict[str, str]) -> Path:
    """A part of /sys."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


def test_temperatures_with_their_limits_and_fans(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "class/hwmon/hwmon0/name": "coretemp",
            "class/hwmon/hwmon0/temp1_input": "45500",
            "class/hwmon/hwmon0/temp1_label": "Package id 0",
            "class/hwmon/hwmon0/temp1_crit": "100000",
            "class/hwmon/hwmon0/temp1_max": "90000",
            "class/hwmon/hwmon1/name": "nct6775",
            "class/hwmon/hwmon1/temp2_input": "31000",
            "class/hwmon/hwmon1/temp2_max": "80000",
            "class/hwmon/hwmon1/temp3_input": "nonsense",
            "class/hwmon/hwmon1/fan2_input": "1180",
            "class/thermal/thermal_zone0/type": "x86_pkg_temp",
            "class/thermal/thermal_zone0/temp": "46000",
            "class/thermal/thermal_zone0/trip_point_0_type": "passive",
            "class/thermal/thermal_zone0/trip_point_0_temp": "80000",
            "class/thermal/thermal_zone0/trip_point_1_type": "critical",
            "class/thermal/thermal_zone0/trip_point_1_temp": "105000",
        },
    )
    told = measure.heat(root)
    assert [tuple(one.values()) for one in told["sensors"]] == [
        ("coretemp", "Package id 0", 45.5, 100.0),
        ("nct6775", "temp2", 31.0, 80.0),
        ("nct6775", "temp3", None, None),
        ("thermal", "x86_pkg_temp", 46.0, 105.0),
    ]
    assert told["fans"] == [{"chip": "nct6775", "fan": 2, "rpm": 1180}]


def test_a_tpm_and_what_on_usb_holds_keys(tmp_path: Path) -> None:
    usb = "bus/usb/devices"
    root = tree(
        tmp_path,
        {
            "class/tpm/tpm0/tpm_version_major": "2",
            f"{usb}/1-1/product": "Keyboard",
            f"{usb}/1-1/1-1:1.0/bInterfaceClass": "03",
            f"{usb}/1-2/product": "Nitrokey HSM",
            f"{usb}/1-2/1-2:1.0/bInterfaceClass": "0b",
            f"{usb}/1-3/product": "YubiHSM",
            f"{usb}/1-3/idVendor": "1050",
            f"{usb}/1-3/idProduct": "0030",
        },
    )
    assert measure.keystore(root) == {"tpm": "2", "usb": ["Nitrokey HSM", "YubiHSM"]}
    assert measure.keystore(tmp_path / "bare") == {"tpm": "", "usb": []}


def test_syncs_leave_nothing_behind_even_where_they_are_killed(tmp_path: Path) -> None:
    endless = "measure.SYNC_S = 60; measure.SYNCS = 10**9"
    with started(f"{endless}\nfor _ in measure.syncs(Path(sys.argv[1])): print(flush=True)", tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []
    assert all(took > 0 for took in measure.syncs(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_hangs_or_fails_is_told_and_the_next_one_begins() -> None:
    program = """
def disk():
    while True:
        pass
def memory():
    raise OSError("no such file")
measure.PART_S, measure.disk, measure.memory = 1, disk, memory
measure.main("")
"""
    with started(program) as process:
        said, _ = process.communicate(timeout=60)
    told = {line["part"]: line for line in map(json.loads, said.splitlines())}
    assert told["disk"]["why"] == "TimeoutError: it took longer than 1 s"
    assert told["memory"]["why"] == "OSError: no such file"
    assert told["cpu"]["told"]["cores"] > 0
    assert "hub" not in told


def started(program: str, *arguments: Path) -> subprocess.Popen[str]:
    """In a process of its own: the script has the process's alarm."""
    head = "import sys\nfrom pathlib import Path\nfrom infra.site import measure\n"
    command = [sys.executable, "-c", head + program, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_the_file_system_is_that_of_the_longest_mount_above() -> None:
    assert measure._kind(Path("/proc/self")) == "proc"
