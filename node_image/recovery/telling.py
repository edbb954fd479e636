"""What a box tells of itself: how it is, and what its services logged. Nothing is changed by it."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from typing import Any

from node_image.recovery import drained
from node_image.recovery.place import Facts, Place
from node_image.recovery.running import run
from node_image.recovery.work import Work

LOOK_S = 15
LOG_S = 8  # ten of them, of an engine that hangs, end before the door's own limit
MOST_LOG = 48 << 10  # bytes of each log: a bundle must go into one message of the bus (1 MiB)
UNITS = ("docker.service", "edgedrop-recovery.service", "edgedrop-watch.timer")


def status(place: Place) -> dict[str, Any]:
    """How the box is; what can't be asked is left empty."""
    disk = shutil.disk_usage(place.root)
    shown = run(("docker", "ps", "--all", "--format", "{{.Names}} {{.State}}"), LOOK_S)
    return {
        "containers": dict(line.split(" ", 1) for line in shown.text.splitlines()) if shown.ok else {},
        "engine": shown.ok,
        "units": {unit: run(("systemctl", "is-active", unit), LOOK_S).text.strip() for unit in UNITS},
        "disk_free_mb": disk.free >> 20,
        "load": os.getloadavg()[0],
        "release": _release(place),
        "drained": drained.read(place.shared),
        "slots": slots(place),
        "reimage": Work(place).told(),
    }


def slots(place: Place) -> dict[str, str]:
    """How the last re-image or rollback stands; nothing on a box that had none."""
    try:
        state = json.loads((place.slots / "state.json").read_text())
        return {name: str(state[name]) for name in ("phase", "release", "why")}
    except (OSError, ValueError, KeyError):
        return {}


def bundle(facts: Facts, lines: int) -> bytes:
    """A .tar.gz with one file for each service, for the engine, the agent and the watch."""
    asked = {
        service: ("docker", "logs", "--timestamps", "--tail", str(lines), f"edgedrop-{service}")
        for service in facts.services
    }
    asked |= {unit: ("journalctl", "--unit", unit, "--lines", str(lines), "--no-pager") for unit in UNITS}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, words in asked.items():
            data = run(words, LOG_S).text.encode()[-MOST_LOG:]
            entry = tarfile.TarInfo(f"{facts.node}/{name}.log")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _release(place: Place) -> str:
    """The digest that the last play was told."""
    try:
        return str(json.loads(place.applied.read_text())["told"]["release"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
