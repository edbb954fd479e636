"""Ends containers that run on though the engine has forgotten them; systemd starts it whenever the engine is up again.

Docker with `live-restore` takes over what ran before it was killed, but for a container that it was about to start just
then: that one runs, and is none of the engine's (26.1 says "Removing stale sandbox"). The next `docker start` puts a
second one beside it, on the same volumes. For a signer the journal's lock is what keeps the second one from signing;
here the first one ends, so that the second one gets the journal.

A container is forgotten where its shim is older than the engine and the engine, now that it has come up, does not list
it as running.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from node_image.recovery.running import run
from node_image.service import log

PROC = Path("/proc")
ENGINE = "docker.service"
SHIM = re.compile(r"containerd-shim[\w.-]*\0.*-namespace\0moby\0-id\0(?P<id>[0-9a-f]{64})\0")
STARTED = 19  # of a process's stat, after its name (proc_pid_stat(5): the 22nd field), in clock ticks since boot


@dataclass(frozen=True, slots=True)
class Shim:
    """The process between containerd and one container; `started` in clock ticks since boot."""

    pid: int
    container: str
    started: int


def shims(proc: Path = PROC) -> tuple[Shim, ...]:
    """Those of Docker's containers."""
    found = []
    for folder in proc.iterdir():
        with suppress(OSError):  # it has ended meanwhile
            if folder.name.isdigit() and (shim := SHIM.search((folder / "cmdline").read_text(errors="replace"))):
                found.append(Shim(int(folder.name), shim["id"], started(int(folder.name), proc)))
    return tuple(found)


def started(pid: int, proc: Path = PROC) -> int:
    """When a process began; OSError where there is none."""
    return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[STARTED])


def forgotten(there: Iterable[Shim], running: frozenset[str], engine_started: int) -> tuple[Shim, ...]:
    """Pure. `running` are the ids that the engine lists."""
    return tuple(one for one in there if one.started < engine_started and one.container not in running)


def main() -> int:
    """One look; containerd ends what a shim held when that is killed."""
    there = shims()
    listed = run(("docker", "ps", "--quiet", "--no-trunc"))  # its socket holds us until it is up
    engine = run(("systemctl", "show", "--property", "MainPID", "--value", ENGINE))
    if not listed.ok:
        log("the engine does not say what it runs", level="error", reason=listed.last)
        return 1
    if not engine.ok or engine.text.strip() in ("", "0"):
        log("systemd knows no process of the engine", level="error", reason=engine.last)
        return 1
    for shim in forgotten(there, frozenset(listed.text.split()), started(int(engine.text))):
        log("a container that the engine has forgotten is ended", level="warning", container=shim.container)
        with suppress(ProcessLookupError):
            os.kill(shim.pid, signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
