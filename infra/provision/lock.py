"""One play at a time on a node: a flock that lives as long as our SSH session, so it dies with whoever held it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from infra.errors import StackLocked, Unreachable
from infra.provision.ssh import Host

FILE = "/run/edgedrop.play"
WAIT_S = 120  # another run's play ends within its own time limit; we wait for most of them
HELD = b"held"
BUSY = 75  # sysexits.h: EX_TEMPFAIL


@contextmanager
def play_lock(host: Host, run: str) -> Iterator[None]:
    """Hold it; the node says by whom and since when. StackLocked when another play holds it all the time."""
    note = f"echo {run} $(date -u +%FT%TZ) > {FILE}.by; echo {HELD.decode()}; cat > /dev/null"
    remote = f"flock -E {BUSY} -w {WAIT_S} {FILE} sh -c '{note}' || {{ code=$?; cat {FILE}.by >&2; exit $code; }}"
    with subprocess.Popen(
        host.command(remote), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as session:
        assert session.stdin and session.stdout and session.stderr  # noqa: S101, PT018  for mypy: they are pipes
        if session.stdout.readline().strip() != HELD:
            words = session.stderr.read().decode(errors="replace").strip()
            if session.wait() == BUSY:
                raise StackLocked(f"{host.node} is being played on by run {words}", "wait for it, or: edgedrop heal")
            raise Unreachable(f"{host.node} gave no lock: {words}", "type: edgedrop status")
        try:
            yield
        finally:
            session.stdin.close()  # `cat` ends, and with it the lock
