"""Images for a box that does not reach the registry: whoever is at the other end of the SSH session stands in for it.

For the length of a pull, what this box asks of the registry's address goes to the session's forwarded port. So Docker
finds each image under the very name by which Ansible and the release know it, fetches only what it lacks, and checks it
all by its digests. The address itself is taken by nobody: a box that had it would answer for it to its neighbours, too.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from node_image.slots.install import Refused

PULL_S = 900
GONE_S = 30.0  # the other end says something every few seconds (infra/provision/session.py)
CHUNK = 1 << 16
CHAIN = "EDGEDROP-PULL"


def pull(registry: str, port: int, references: Sequence[str]) -> None:
    """Each of them, by `port` of this box's loopback; ends with the session that forwards it."""
    threading.Thread(target=_end_with_session, args=(registry,), daemon=True).start()
    with led_away(registry, port):
        for reference in references:
            sys.stdout.write(f"{reference}\n")
            sys.stdout.flush()
            command = ["docker", "pull", "--quiet", reference]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PULL_S, check=False)
            if done.returncode != 0:
                raise Refused(f"docker pull: {done.stderr.strip()[:300]}")


@contextmanager
def led_away(registry: str, port: int) -> Iterator[None]:
    """The registry's address leads to the loopback's port, for no longer than this; no uplink, no route is needed."""
    host, _, own = registry.rpartition(":")
    back(registry)  # what a killed one left
    try:
        _must("ip", "route", "replace", f"{host}/32", "dev", "lo")
        if _iptables("-C", "OUTPUT", "-j", CHAIN) != 0:
            _iptables("-N", CHAIN)
            _must(*_nat("-I", "OUTPUT", "-j", CHAIN))
        rule = ("-p", "tcp", "-d", host, "--dport", own, "-j", "DNAT", "--to-destination", f"127.0.0.1:{port}")
        _must(*_nat("-A", CHAIN, *rule))
        yield
    finally:
        back(registry)


def back(registry: str) -> None:
    """As it was."""
    _iptables("-F", CHAIN)
    _run("ip", "route", "del", f"{registry.rpartition(':')[0]}/32", "dev", "lo")


def _end_with_session(registry: str) -> None:
    """Whoever wanted it is gone, or silent. Not by sys.stdin, whose lock Python wants at its own end."""
    while select.select([0], [], [], GONE_S)[0] and os.read(0, CHUNK):
        pass
    back(registry)
    os._exit(1)


def _nat(*words: str) -> tuple[str, ...]:
    return ("iptables", "-w", "-t", "nat", *words)


def _iptables(*words: str) -> int:
    return _run(*_nat(*words)).returncode


def _must(*command: str) -> None:
    done = _run(*command)
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)}: {done.stderr.strip()}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
