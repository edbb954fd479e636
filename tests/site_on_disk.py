"""The witnesses at a node's site as processes of this machine: keys and certificates as planning makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from infra import certificates, keys
from infra.home import place
from node_image.protocol import dsse

HOST = "127.0.0.1"


@dataclass
class SiteOnDisk:
    """Of one drop; EDGEDROP_HOME is the test's own, `ports` are by the witness's name."""

    folder: Path
    drop: str
    ports: dict[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def public(self) -> dict[str, str]:
        """Their keys, as drop.json has them."""
        return {name: dsse.public_pem(keys.site_witness_pem(self.drop, name)).decode() for name in self.ports}

    @property
    def places(self) -> dict[str, str]:
        """As drop.json has them."""
        return {name: f"{HOST}:{port}" for name, port in self.ports.items()}

    def environment(self, name: str, port: int) -> dict[str, str]:
        """What a witness of this name is told."""
        keys.site_witness_pem(self.drop, name)
        certificates.witness_pem(self.drop, name, HOST)
        certificates.authority_pem()
        files = {
            "WITNESS_KEY_FILE": place("keys", f"witness.{self.drop}.{name}.pem"),
            "WITNESS_TLS_FILE": place("keys", f"witness-tls.{self.drop}.{name}.{HOST}.pem"),
            "AUTHORITY_FILE": place("keys", "authority.pem"),
            "WITNESS_DIR": self.folder / name,
        }
        told = {"HOST": HOST, "WITNESS_PORT": str(port)} | {what: str(path) for what, path in files.items()}
        return {f"EDGEDROP_{what}": value for what, value in told.items()}

    def start(self, *names: str) -> None:
        """Each as the container beside a front runs it."""
        for name in names:
            own = self.environment(name, self.ports[name])
            told = os.environ | own | {"EDGEDROP_DROP": self.drop, "EDGEDROP_WITNESS_NAME": name}
            self.running[name] = subprocess.Popen([sys.executable, "-m", "node_image.witness"], env=told)

    def kill(self, *names: str) -> None:
        """SIGKILL."""
        for name in names:
            process = self.running.pop(name)
            process.kill()
            process.wait()
