"""An sshd of the tests' own, in this process: it lets one key in, runs commands here, forwards ports."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

CHUNK = 1 << 16


@dataclass
class Sshd(paramiko.ServerInterface):
    """`allowed` is the one public key, as base64."""

    allowed: str
    transport: paramiko.Transport
    listeners: list[socket.socket] = field(default_factory=list)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey" if username else ""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == "root" and key.get_base64() == self.allowed
        return AUTH_SUCCESSFUL if known else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        assert chanid >= 0
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_run, args=(channel, command.decode()), daemon=True).start()
        return True

    def check_port_forward_request(self, address: str, port: int) -> int:
        listener = socket.create_server((address, port))
        self.listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, origin = listener.accept()
                channel = self.transport.open_forwarded_tcpip_channel(origin, listener.getsockname())
                for pair in ((connection, channel), (channel, connection)):
                    threading.Thread(target=_copy, args=pair, daemon=True).start()


def _run(channel: paramiko.Channel, command: str) -> None:
    with subprocess.Popen(
        ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
        while data := process.stdout.read1(CHUNK):  # type: ignore[attr-defined]
            channel.sendall(data)
        channel.sendall_stderr(process.stderr.read())
        channel.send_exit_status(process.wait())
    channel.close()


def _feed(channel: paramiko.Channel, stdin: object) -> None:
    with suppress(OSError):
        while data := channel.recv(CHUNK):
            stdin.write(data)  # type: ignore[attr-defined]
            stdin.flush()  # type: ignore[attr-defined]
        stdin.close()  # type: ignore[attr-defined]


def _copy(source: socket.socket | paramiko.Channel, target: socket.socket | paramiko.Channel) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR) if isinstance(target, socket.socket) else target.shutdown_write()


@contextmanager
def ssh_server(allowed: str) -> Iterator[tuple[int, str]]:
    """Its port on the loopback, and its host key (`<type> <base64>`)."""
    key = paramiko.ECDSAKey.generate()
    transports: list[paramiko.Transport] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            while True:
                connection, _ = listener.accept()
                transport = paramiko.Transport(connection)
                transports.append(transport)
                transport.add_server_key(key)
                transport.start_server(event=threading.Event(), server=Sshd(allowed, transport))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], f"{key.get_name()} {key.get_base64()}"
        for transport in transports:
            transport.close()
