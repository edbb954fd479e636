"""A box that speaks SSH on this machine's loopback (paramiko's server) and runs what it is asked to, as bash does."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import StringIO
from socket import SHUT_RDWR, create_server, socket

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from infra import keys
from infra.spec import BoxSpec


@dataclass
class Door(paramiko.ServerInterface):
    """Lets one key in; `asked` is what it was told to run."""

    authorized: str
    env: Mapping[str, str]
    asked: list[str] = field(default_factory=list)

    def get_allowed_auths(self, _user: str) -> str:
        return "publickey"

    def check_auth_publickey(self, _user: str, key: paramiko.PKey) -> int:
        good = key.get_base64() in self.authorized
        return AUTH_SUCCESSFUL if good else AUTH_FAILED

    def check_channel_request(self, _kind: str, _number: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.asked.append(command.decode())
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(["/bin/bash", "-c", command], env=self.env, **pipes) as process:  # type: ignore[call-overload]
            threading.Thread(target=pump, args=(channel, process), daemon=True).start()
            with suppress(OSError):  # who asked may have left
                while line := process.stdout.readline():
                    channel.sendall(line)
                channel.sendall_stderr(process.stderr.read())
                channel.send_exit_status(process.wait())
        channel.close()


def pump(channel: paramiko.Channel, process: subprocess.Popen[bytes]) -> None:
    """What comes in, until its end."""
    assert process.stdin is not None
    with suppress(OSError, ValueError):  # it may have ended before it read all
        while data := channel.recv(65536):
            process.stdin.write(data)
        process.stdin.close()


@dataclass(frozen=True)
class Box:
    """Where it is; `spec` is it as a site file has it."""

    spec: BoxSpec
    door: Door


@contextmanager
def box(
    *, env: Mapping[str, str] | None = None, authorized: str | None = None, shown: paramiko.PKey | None = None
) -> Iterator[Box]:
    """Up until the end of the block; it lets the control side's key in, and shows its own, unless others are named."""
    made = Ed25519PrivateKey.generate()
    parts = made.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    door = Door(authorized or keys.ssh_public_key(), env or dict(os.environ))
    with create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, shown or _for_paramiko(made), door), daemon=True).start()
        port = server.getsockname()[1]
        try:
            yield Box(BoxSpec(name="a", address="127.0.0.1", ssh_port=port, host_key=parts.decode()), door)
        finally:
            server.shutdown(SHUT_RDWR)  # it is being listened to: closed alone it would go on


def _for_paramiko(key: Ed25519PrivateKey) -> paramiko.PKey:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return paramiko.Ed25519Key.from_private_key(StringIO(pem.decode()))


def _serve(server: socket, shown: paramiko.PKey, door: Door) -> None:
    with suppress(OSError):
        while True:
            line, _ = server.accept()
            transport = paramiko.Transport(line)
            transport.add_server_key(shown)
            with suppress(OSError, EOFError, paramiko.SSHException):
                transport.start_server(server=door)
