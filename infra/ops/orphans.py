"""Processes that a dead `pulumi` left: providers and plays of this state folder."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from infra.home import home

PROVIDER_WORDS = ("pulumi-resource-", "pulumi-language-", "pulumi.dynamic", "ansible-playbook")
END_S = 5


def orphans() -> list[int]:
    """Providers and plays of this state folder whose `pulumi` is dead: no ancestor of theirs is a pulumi."""
    return [pid for pid in _pids() if _ours(pid) and not any(is_pulumi(parent) for parent in _ancestors(pid))]


def is_pulumi(pid: int) -> bool:
    """Whether a `pulumi` runs under this pid."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi" and _lives(pid)
    except OSError:
        return False


def _lives(pid: int) -> bool:
    """Whether it runs: a process that was killed and that nobody has reaped yet holds nothing any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _ours(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        told = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return any(word in words for word in PROVIDER_WORDS) and f"EDGEDROP_HOME={home()}".encode() in told.split(b"\0")


def _ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
        found.append(pid)
    return found


def end(pid: int) -> None:
    """Ask, wait, insist: only processes that `orphans` named."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, wanted)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline and _lives(pid):
            time.sleep(0.05)
