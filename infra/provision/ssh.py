"""How everything here reaches a box by SSH: only the key that the stack learnt out of band, only our identity."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra import keys
from infra.home import place, write_private
from infra.plan.model import Node

CONNECT_S = 5


@dataclass(frozen=True, slots=True)
class Host:
    """A box of a stack; `url` is `ssh://user@address:port`. Its host key stands in `known_hosts`, a file of its own."""

    stack: str
    node: str
    url: str

    @classmethod
    def of_node(cls, stack: str, node: Node) -> Host:
        """As the plan has it."""
        return cls(stack, node.name, f"ssh://{node.ssh_user}@{node.address}:{node.ssh_port}")

    @classmethod
    def of_props(cls, props: Mapping[str, Any]) -> Host:
        """As a dynamic resource carries it."""
        return cls(props["stack"], props["node"], props["ssh"])

    @property
    def user(self) -> str:
        """Who we are there."""
        return urlsplit(self.url).username or "root"

    @property
    def address(self) -> str:
        """Name or address, without brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Of sshd."""
        return urlsplit(self.url).port or 22

    @property
    def known_hosts(self) -> Path:
        """Holds this box's key alone."""
        return place("known_hosts", self.stack, self.node)

    def pin(self, host_key: str) -> None:
        """From now on this key (`<type> <base64>`) and no other."""
        name = self.address if self.port == 22 else f"[{self.address}]:{self.port}"  # noqa: PLR2004  sshd's own form
        line = f"{name} {host_key}\n".encode()
        if not self.known_hosts.exists() or self.known_hosts.read_bytes() != line:
            write_private(self.known_hosts, line)

    def options(self, connect_s: int = CONNECT_S) -> list[str]:
        """OpenSSH's options; a dead host is known as dead after `connect_s`."""
        told = {
            "BatchMode": "yes",
            "ConnectTimeout": str(connect_s),
            "IdentitiesOnly": "yes",
            "IdentityFile": str(keys.ssh_key()),
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        return [word for name, value in told.items() for word in ("-o", f"{name}={value}")]

    def command(self, remote: str) -> list[str]:
        """The words that run `remote` there."""
        return ["ssh", *self.options(), "-p", str(self.port), f"{self.user}@{self.address}", remote]

    def run(self, remote: str, *, stdin: bytes = b"", seconds: float = 30) -> subprocess.CompletedProcess[bytes]:
        """Run a command there; ssh's own faults end with 255."""
        command = self.command(remote)
        try:
            return subprocess.run(command, input=stdin, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 255, b"", f"no answer in {seconds:.0f} s".encode())

    def answers(self, seconds: float = CONNECT_S) -> bool:
        """Whether an sshd speaks there, whoever it is."""
        try:
            with socket.create_connection((self.address, self.port), seconds) as connection:
                connection.settimeout(seconds)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False
