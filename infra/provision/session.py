"""One SSH session with a box by paramiko: commands with data, and a port of the box's loopback that leads back here.

Beside `Host.run`, which is one OpenSSH process a command: a re-image asks a dozen things, streams files and lends the
box a registry, all in one session and by the pinned host key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import paramiko

from infra import keys
from infra.errors import NotVerified, Unreachable
from infra.provision.ssh import CONNECT_S, Host

Serve = Callable[[paramiko.Channel], None]
HEARD_S = 5.0
AGAIN = "is it on, and is this machine in its network? type: edgedrop status"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command there ended."""

    code: int
    out: bytes
    err: str


class Session:
    """Open for as long as it is used; `host` is pinned (`Host.pin`), or nothing is said to it."""

    def __init__(self, host: Host, client: paramiko.SSHClient) -> None:
        self.host, self._client = host, client

    def run(self, command: str, *, stdin: bytes = b"", seconds: float = 60) -> Said:
        """A command to its end; Unreachable where the session breaks, or nothing comes for so long."""
        try:
            with self._transport().open_session(timeout=CONNECT_S) as channel:
                channel.settimeout(seconds)
                channel.exec_command(command)
                channel.sendall(stdin)
                channel.shutdown_write()
                out = channel.makefile("rb").read()
                err = channel.makefile_stderr("rb").read().decode(errors="replace").strip()
                return Said(channel.recv_exit_status(), out, err)
        except (paramiko.SSHException, OSError) as fault:
            raise Unreachable(f"{self.host.node} does not answer any more: {fault!r}", AGAIN) from fault

    def lines(self, command: str, seconds: float) -> Iterator[str]:
        """What a command says, line by line; Unreachable with its words if it fails. It hears of us until its end."""
        try:
            with self._transport().open_session(timeout=CONNECT_S) as channel:
                channel.settimeout(seconds)
                channel.exec_command(command)
                with _heard(channel):
                    for line in channel.makefile("r"):
                        yield str(line).strip()
                if channel.recv_exit_status() != 0:
                    words = channel.makefile_stderr("rb").read().decode(errors="replace").strip()
                    raise Unreachable(f"{self.host.node}: {words}", "the same command goes on where this one stood")
        except (paramiko.SSHException, OSError) as fault:
            raise Unreachable(f"{self.host.node} does not answer any more: {fault!r}", AGAIN) from fault

    def lend(self, serve: Serve) -> int:
        """A port of the box's loopback: each connection to it is served here, in a thread of its own."""

        def come(channel: paramiko.Channel, _origin: tuple[str, int], _server: tuple[str, int]) -> None:
            threading.Thread(target=serve, args=(channel,), daemon=True).start()

        try:
            return self._transport().request_port_forward("127.0.0.1", 0, come)
        except paramiko.SSHException as fault:
            raise Unreachable(
                f"{self.host.node} forwards no port: {fault}", "its sshd needs AllowTcpForwarding yes"
            ) from fault

    def _transport(self) -> paramiko.Transport:
        found = self._client.get_transport()
        if found is None:
            raise paramiko.SSHException("the session is closed")
        return found


@contextmanager
def _heard(channel: paramiko.Channel) -> Iterator[None]:
    """Something comes in every few seconds: whoever hears nothing more knows that we are gone."""
    done = threading.Event()

    def beat() -> None:
        with suppress(OSError):
            while not done.wait(HEARD_S):
                channel.sendall(b"\n")

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def dial(client: paramiko.SSHClient, address: str, port: int, user: str) -> None:
    """By our own identity alone, no step for longer than CONNECT_S."""
    client.connect(
        address,
        port,
        user,
        key_filename=str(keys.ssh_key()),
        timeout=CONNECT_S,
        banner_timeout=CONNECT_S,
        auth_timeout=CONNECT_S,
        allow_agent=False,
        look_for_keys=False,
    )


@contextmanager
def session(host: Host) -> Iterator[Session]:
    """By the pinned host key and our own identity alone."""
    if not host.known_hosts.exists():
        raise NotVerified(f"nobody here was told {host.node}'s host key", "bring the drop up here first: edgedrop up")
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(host.known_hosts))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            dial(client, host.address, host.port, host.user)
        except paramiko.BadHostKeyException as fault:
            raise NotVerified(
                f"{host.node} at {host.address} shows another host key than the one we were told",
                "read its key on site (inventory/sites/old-quay.yaml says how); if it is right, somebody is in between",
            ) from fault
        except paramiko.AuthenticationException as fault:
            raise Unreachable(f"{host.node} lets nobody in over SSH", "put `edgedrop key` on it") from fault
        except (paramiko.SSHException, OSError) as fault:
            raise Unreachable(f"{host.node} does not answer: {fault}", AGAIN) from fault
        yield Session(host, client)
