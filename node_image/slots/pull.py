"""Images for a box that does not reach the registry: whoever is at the other end of the SSH session stands in for it.

For as long the registry's address is on this box's loopback, and what is asked of it goes through the session's
forwarded port. So Docker finds each image under the very name by which Ansible and the release know it, fetches only
what it lacks, and checks every part by its digest.
"""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from node_image.slots.install import Refused

PULL_S = 900
CHUNK = 1 << 16
HOLDER = Path("/run/edgedrop.pull")
OURS = b"slots.pyz"


def pull(registry: str, port: int, references: Sequence[str]) -> None:
    """Each of them, by `port` of this box's loopback; ends with the session that forwards it."""
    make_way()
    threading.Thread(target=_end_with_session, args=(registry,), daemon=True).start()
    with stands_in(registry, port):
        for reference in references:
            sys.stdout.write(f"{reference}\n")
            sys.stdout.flush()
            command = ["docker", "pull", "--quiet", reference]
            done = subprocess.run(command, capture_output=True, text=True, timeout=PULL_S, check=False)
            if done.returncode != 0:
                raise Refused(f"docker pull: {done.stderr.strip()[:300]}")


def make_way(holder: Path = HOLDER) -> None:
    """A pull whose session died and nobody noticed still has the address: it ends now. From here on we are the one."""
    with suppress(OSError, ValueError):
        pid = int(holder.read_text())
        if pid != os.getpid() and OURS in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    holder.write_text(str(os.getpid()))


@contextmanager
def stands_in(registry: str, port: int) -> Iterator[None]:
    """The registry's address is this box's own; not for longer than this."""
    host, _, own = registry.rpartition(":")
    _address("replace", host)
    try:
        with _Relay((host, int(own)), port) as relay:
            threading.Thread(target=relay.serve_forever, daemon=True).start()
            yield
            relay.shutdown()
    finally:
        _address("del", host)


class _Relay(socketserver.ThreadingTCPServer):
    """Each connection goes on to a port of the loopback."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, at: tuple[str, int], port: int) -> None:
        self.port = port
        super().__init__(at, _Way)


class _Way(socketserver.BaseRequestHandler):
    server: _Relay

    def handle(self) -> None:
        """Both directions, until both are at their end."""
        with socket.create_connection(("127.0.0.1", self.server.port)) as there:
            back = threading.Thread(target=_copy, args=(there, self.request), daemon=True)
            back.start()
            _copy(self.request, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()  # one end hung up: so does the other


def _end_with_session(registry: str) -> None:
    """Whoever wanted it is gone: its standard input ends. Not by sys.stdin, whose lock Python wants at its own end."""
    while os.read(0, CHUNK):
        pass
    _address("del", registry.rpartition(":")[0])
    os._exit(1)


def _address(what: str, host: str) -> None:
    done = subprocess.run(
        ["ip", "address", what, f"{host}/32", "dev", "lo"], capture_output=True, text=True, timeout=10, check=False
    )
    if done.returncode != 0 and what != "del":
        raise Refused(f"ip address {what} {host}: {done.stderr.strip()}")
