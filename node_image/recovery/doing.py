"""What an action does on the box: a fixed list of words or one file, no shell, a time limit, and what came of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from node_image.protocol.command import (
    ENGINE,
    Action,
    Drain,
    Logs,
    Reboot,
    ReleaseKeys,
    Restart,
    Rollback,
    Status,
    Undrain,
)
from node_image.protocol.errors import CommandRefused
from node_image.recovery import drained
from node_image.recovery.answer import Outcome, Taken
from node_image.recovery.drained import Drained
from node_image.recovery.place import Facts, Place

LIMIT_S = 90
LOOK_S = 15
LOG_S = 8  # ten of them, of an engine that hangs, end before the door's own limit
MOST_LOG = 48 << 10  # bytes of each log: a bundle must go into one message of the bus (1 MiB)
UNITS = ("docker.service", "edgedrop-recovery.service", "edgedrop-watch.timer")
REBOOT = ("systemd-run", "--on-active=2", "--timer-property=AccuracySec=100ms", "systemctl", "reboot")
INSTALLER = ("python3", "/usr/local/lib/edgedrop/slots.pyz")  # infra/installer.py
# Out of the door's own unit, which may write next to nothing; what it says and its exit code come back.
OUTSIDE = ("systemd-run", "--quiet", "--collect", "--wait", "--pipe")
ROLLBACK = (*OUTSIDE, *INSTALLER, "back")
GIVE_UP = ("docker", "exec", "-i", "edgedrop-signer", "python3", "-m", "node_image.signer", "give-up")
RESTART_ENGINE = ("systemctl", "restart", "docker.service")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, as it was taken, and the envelope that it came in."""

    action: Action
    taken: Taken
    envelope: bytes


def do(order: Order, facts: Facts, place: Place) -> Outcome:
    """Do it; the outcome is told, never raised. CommandRefused where the box stands so that nothing may be done."""
    match order.action:
        case Status():
            outcome = Outcome(True, "told", status=status(place))
        case Logs(lines):
            outcome = Outcome(True, "bundled", bundle=bundle(facts, lines))
        case Restart(service):
            outcome = _outcome(RESTART_ENGINE if service == ENGINE else restart(service))
        case Drain(reason):
            outcome = drain(place, Drained(order.taken.sequence, order.taken.by, reason))
        case Undrain():
            outcome = undrain(place)
        case Rollback():
            outcome = rollback()
        case ReleaseKeys():
            outcome = release_keys(order.envelope)
        case Reboot():
            outcome = _outcome(REBOOT)
    return outcome


def restart(service: str) -> tuple[str, ...]:
    """A service's container."""
    return ("docker", "restart", "--time", "10", f"edgedrop-{service}")


def drain(place: Place, told: Drained) -> Outcome:
    """The mint sees it at its next request, running or not yet."""
    try:
        drained.write(place.shared, told)
    except OSError as fault:
        return Outcome(False, f"it is not drained: {place.shared}: {fault.strerror}")
    return Outcome(True, "it takes no new claim until it is told undrain; what it sold is answered")


def undrain(place: Place) -> Outcome:
    """Said again it is done already."""
    try:
        lifted = drained.lift(place.shared)
    except OSError as fault:
        return Outcome(False, f"it stays as it is: {place.shared}: {fault.strerror}")
    return Outcome(True, "it takes claims again" if lifted else "it was not drained")


def rollback() -> Outcome:
    """Begun; the installer brings it to its end, the other release or this one."""
    done = run(ROLLBACK)
    if not done.ok:
        raise CommandRefused("no_way_back", done.last)
    try:
        release = json.loads(done.text)["release"]
    except (ValueError, KeyError, TypeError):
        return Outcome(False, f"the installer was not understood: {done.last}")
    return Outcome(True, f"release {release[:12]} is being tried; status tells how it ends")


def release_keys(envelope: bytes) -> Outcome:
    """The signer reads the owner's word itself, and destroys its keys or says why not."""
    done = run(GIVE_UP, stdin=envelope)
    try:
        told = json.loads(done.text)
        if "refused" in told:
            raise CommandRefused(told["refused"]["code"], told["refused"]["reason"])
        return Outcome(True, f"destroyed for good: {', '.join(told['keys'])}; its journals are kept")
    except (ValueError, KeyError, TypeError):
        return Outcome(False, f"the signer was not reached: {done.last}")


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
    }


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


class Ran:
    """How a program ended, with all that it said."""

    def __init__(self, code: int, text: str) -> None:
        self.ok, self.text = code == 0, text

    @property
    def last(self) -> str:
        """Its last line, which says why where it failed."""
        return (self.text.strip().splitlines() or [""])[-1][:300]


def run(words: Sequence[str], seconds: float = LIMIT_S, stdin: bytes = b"") -> Ran:
    """Run a program; one that isn't there or doesn't end in time has failed."""
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ran(1, f"{words[0]} did not end in {seconds:.0f} s")
    except OSError as fault:
        return Ran(1, f"{words[0]}: {fault.strerror}")
    return Ran(done.returncode, done.stdout.decode(errors="replace"))


def _outcome(words: Sequence[str]) -> Outcome:
    done = run(words)
    return Outcome(done.ok, f"{' '.join(words)}: {done.last or ('done' if done.ok else 'it said nothing')}")


def slots(place: Place) -> dict[str, str]:
    """How the last re-image or rollback stands; nothing on a box that had none."""
    try:
        state = json.loads((place.slots / "state.json").read_text())
        return {name: str(state[name]) for name in ("phase", "release", "why")}
    except (OSError, ValueError, KeyError):
        return {}


def _release(place: Place) -> str:
    """The digest that the last play was told."""
    try:
        return str(json.loads(place.applied.read_text())["told"]["release"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
