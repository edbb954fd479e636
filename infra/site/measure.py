"""What a box is, measured by itself: this file runs there, `python3 - [<hub's host:port>]`, and needs Python alone.

It says a line of JSON a part as soon as it is known, `{"part", "told"}`, or `{"part", "why"}` where it could not be
measured. It changes nothing: all it writes is a file without a name, where the journal will be, which goes with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PART_S = 8  # a part that hangs is given up
SIGN_S = 0.5
SYNCS, SYNC_S, APPEND = 300, 3.0, b"\x5a" * 4096
TRIES, APART_S, ANSWER_S = 50, 0.02, 1.0  # a packet that was lost comes again after a second: such a try is lost
SECP256K1 = 714  # OpenSSL's number of the curve
DOCKER = "/var/lib/docker"
IP_MTU, IPV6_MTU = 14, 24  # of Linux's in.h and in6.h; Python has no names for them
UNSYNCHRONISED = 5  # adjtimex's TIME_ERROR
YUBIHSM = "1050:0030"  # no card reader by its class, unlike the other USB HSMs
CARD_READER = "0b"
SYS = Path("/sys")


def system() -> dict[str, Any]:
    """Whose operating system, for which processor."""
    told = platform.freedesktop_os_release()
    return {
        "likes": [told.get("ID", ""), *told.get("ID_LIKE", "").split()],
        "name": told.get("PRETTY_NAME", ""),
        "version": told.get("VERSION_ID", ""),
        "machine": platform.machine(),
        "kernel": platform.release(),
    }


def cpu() -> dict[str, Any]:
    """Cores, and how often a second one thread signs on a drop's own curve, as SoftHSM does it."""
    name = ctypes.util.find_library("crypto") or "libcrypto.so.3"
    lib = ctypes.CDLL(name)
    lib.EC_KEY_new_by_curve_name.restype = ctypes.c_void_p
    key = ctypes.c_void_p(lib.EC_KEY_new_by_curve_name(SECP256K1))
    if lib.EC_KEY_generate_key(key) != 1:
        raise OSError(f"{name} makes no key on secp256k1")
    signature, length = ctypes.create_string_buffer(80), ctypes.c_uint()
    begun, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < SIGN_S:
        lib.ECDSA_sign(0, bytes(32), 32, signature, ctypes.byref(length), key)
        count += 1
    return {"cores": len(os.sched_getaffinity(0)), "signs_per_s": count / spent, "by": name}


def memory() -> dict[str, Any]:
    """Bytes, of which some are available."""
    told = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE))
    return {"total_bytes": int(told["MemTotal"]) * 1024, "available_bytes": int(told["MemAvailable"]) * 1024}


def disk() -> dict[str, Any]:
    """The file system where the journal's volume is or will be, and what a sync of a 4 KiB append takes on it."""
    root = Path(_ran("docker", "info", "--format", "{{.DockerRootDir}}") or DOCKER)
    folder = next(one for one in (root, *root.parents) if one.is_dir())
    took = sorted(syncs(folder))
    space = os.statvfs(folder)
    return {
        "folder": str(folder),
        "kind": _kind(folder),
        "free_bytes": space.f_bavail * space.f_frsize,
        "syncs": len(took),
        "p50_ms": took[len(took) // 2] * 1e3,
        "p99_ms": took[len(took) * 99 // 100] * 1e3,
    }


def syncs(folder: Path) -> Iterator[float]:
    """Seconds of each."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(SYNCS):
            before = time.perf_counter()
            if before - begun > SYNC_S:
                return
            file.write(APPEND)
            os.fdatasync(file.fileno())
            yield time.perf_counter() - before


def clock() -> dict[str, Any]:
    """Whether the kernel is told the time by somebody."""
    libc = ctypes.CDLL(None, use_errno=True)
    said = libc.adjtimex(ctypes.create_string_buffer(512))  # all zero: it only asks
    if said < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return {"synchronised": said != UNSYNCHRONISED}


def heat(root: Path = SYS) -> dict[str, Any]:
    """Each temperature that hwmon or a thermal zone tells, with its limit where it says one, and each fan."""
    chips = sorted((root / "class" / "hwmon").glob("hwmon*"))
    zones = sorted((root / "class" / "thermal").glob("thermal_zone*"))
    sensors = [one for chip in chips for one in _of_chip(chip)] + [one for zone in zones for one in _of_zone(zone)]
    fans = [
        {"chip": _text(chip / "name"), "fan": int(file.name[3:-6]), "rpm": _number(file)}
        for chip in chips
        for file in sorted(chip.glob("fan*_input"))
    ]
    return {"sensors": sensors, "fans": fans}


def _of_chip(chip: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(chip.glob("temp*_input")):
        name = file.name.removesuffix("_input")
        limits = [_number(chip / f"{name}_{kind}") for kind in ("crit", "max")]
        label = _text(chip / f"{name}_label") or name
        yield _sensor(_text(chip / "name"), label, file, next((limit for limit in limits if limit), None))


def _of_zone(zone: Path) -> Iterator[dict[str, Any]]:
    kinds = {_text(file): _number(file.with_name(file.name[:-4] + "temp")) for file in zone.glob("trip_point_*_type")}
    yield _sensor("thermal", _text(zone / "type"), zone / "temp", kinds.get("critical") or kinds.get("hot"))


def _sensor(chip: str, label: str, file: Path, limit: int | None) -> dict[str, Any]:
    now = _number(file)
    return {
        "chip": chip,
        "label": label,
        "celsius": None if now is None else now / 1000,
        "limit_celsius": limit / 1000 if limit else None,
    }


def keystore(root: Path = SYS) -> dict[str, Any]:
    """The TPM's version, empty where there is none, and what on USB may hold keys."""
    found = [_text(file) for file in sorted((root / "class" / "tpm").glob("tpm*/tpm_version_major"))]
    devices = sorted((root / "bus" / "usb" / "devices").glob("*"))
    return {"tpm": found[0] if found else "", "usb": [_text(one / "product") for one in devices if _holds_keys(one)]}


def _holds_keys(device: Path) -> bool:
    number = f"{_text(device / 'idVendor')}:{_text(device / 'idProduct')}"
    return number == YUBIHSM or any(_text(one) == CARD_READER for one in device.glob("*/bInterfaceClass"))


def engine() -> dict[str, Any]:
    """Docker, where it is there, and what it needs of the kernel."""
    there = shutil.which("docker") is not None
    version = _ran("docker", "version", "--format", "{{.Server.Version}}") if there else ""
    driver = _ran("docker", "info", "--format", "{{.Driver}}") if version else ""
    return {"installed": there, "version": version, "driver": driver, "overlay": _overlay(), **_cgroups()}


def _overlay() -> bool:
    if "overlay" in Path("/proc/filesystems").read_text().split():
        return True
    modules = Path("/lib/modules") / platform.release()
    lists = (modules / name for name in ("modules.dep", "modules.builtin"))
    return any("/overlay.ko" in file.read_text() for file in lists if file.exists())


def _cgroups() -> dict[str, Any]:
    second = SYS / "fs" / "cgroup" / "cgroup.controllers"
    if second.exists():
        return {"cgroups": 2, "controllers": second.read_text().split()}
    rows = (line.split() for line in Path("/proc/cgroups").read_text().splitlines() if not line.startswith("#"))
    return {"cgroups": 1, "controllers": [row[0] for row in rows if row[-1] == "1"]}


def hub(place: str) -> dict[str, Any]:
    """How long the hub takes to shake hands, how many tries were lost, and the largest packet on the way."""
    host, _, port = place.rpartition(":")
    at = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]

    def knock(number: int) -> tuple[float, int] | None:
        time.sleep(number * APART_S)  # the pace of asking
        with socket.socket(*at[:3]) as line, contextlib.suppress(OSError):
            line.settimeout(ANSWER_S)
            begun = time.perf_counter()
            line.connect(at[4])
            return time.perf_counter() - begun, _mtu(line)
        return None

    with ThreadPoolExecutor(TRIES) as pool:
        answers = [answer for answer in pool.map(knock, range(TRIES)) if answer]
    took = sorted(answer[0] * 1e3 for answer in answers)
    return {
        "place": place,
        "tries": TRIES,
        "answered": len(took),
        "p50_ms": took[len(took) // 2] if took else None,
        "p99_ms": took[len(took) * 99 // 100] if took else None,
        "mtu_bytes": min(answer[1] for answer in answers) if took else None,
    }


def _mtu(line: socket.socket) -> int:
    """What the kernel knows of the way by now."""
    if line.family == socket.AF_INET6:
        return line.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU)
    return line.getsockopt(socket.IPPROTO_IP, IP_MTU)


def _kind(folder: Path) -> str:
    """The file system's: of the longest mount point above."""
    rows = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    whole = str(folder.resolve())
    above = [(where, kind) for where, kind in rows if f"{whole}/".startswith(f"{where.rstrip('/')}/")]
    return max(above, key=lambda one: len(one[0]))[1]


def _ran(*command: str) -> str:
    """What it said, empty where it failed or there is no such command."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PART_S / 2, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""


def _text(file: Path) -> str:
    """Empty where it is not there to read."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _give_up(_number: int, _frame: object) -> None:
    raise TimeoutError(f"it took longer than {PART_S} s")


def main(place: str) -> None:
    """Part by part; what hangs or fails is told and the next one begins."""
    parts: list[Callable[[], dict[str, Any]]] = [system, cpu, memory, disk, clock, heat, keystore, engine]
    asked = [(part.__name__, part) for part in parts] + ([("hub", lambda: hub(place))] if place else [])
    signal.signal(signal.SIGALRM, _give_up)
    for name, part in asked:
        signal.alarm(PART_S)
        try:
            line = {"part": name, "told": part()}
        except Exception as fault:  # noqa: BLE001  whatever it was, it is this part's alone
            line = {"part": name, "why": f"{type(fault).__name__}: {fault}"}
        finally:
            signal.alarm(0)
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
