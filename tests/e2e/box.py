"""A Docker-in-Docker box of the test's own, as bare as a real one: systemd, sshd, dockerd and nothing of ours."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.home import ROOT
from tests.e2e.standing import docker, wait_for

CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "MKNOD", "SYSLOG", "DAC_READ_SEARCH")
CGROUP_V1 = "SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"


@dataclass(frozen=True, slots=True)
class Box:
    """Where it is, and how SSH reaches it: its host key is asked of it by Docker, not of the network."""

    container: str
    address: str
    known_hosts: Path
    key: Path

    @property
    def host_key(self) -> str:
        """`<type> <base64>`."""
        return " ".join(self.known_hosts.read_text().split()[1:])

    def run(self, *command: str) -> str:
        """A command inside, without SSH."""
        return docker("exec", self.container, *command)


def start_box(stack: str, name: str, address: str, folder: Path, authorized: str | None = None) -> Box:
    """Start it and wait until it is up; it lets in `authorized` (a line of authorized_keys), else a key made here."""
    key = folder / "id_ed25519"
    if authorized is None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=10)
        authorized = key.with_suffix(".pub").read_text().strip()
    container = f"{stack}-{name}"
    label = ("--label", f"edgedrop.stack={stack}")
    docker("volume", "create", *label, f"{container}-docker")
    docker(
        "run", "-d", "--name", container, "--hostname", name, *label, *_settings(stack, container, address, authorized)
    )
    systemd = ("exec", container, "systemctl", "is-system-running")
    wait_for(lambda: docker(*systemd, check=False) == "running", 60, f"{name}'s systemd")
    host_key = docker("exec", container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    known_hosts = folder / f"known_hosts.{name}"
    known_hosts.write_text(f"{address} {' '.join(host_key)}\n")
    return Box(container, address, known_hosts, key)


def _settings(stack: str, container: str, address: str, authorized: str) -> list[str]:
    words = ["--network", f"{stack}-hub", "--ip", address, "--cgroupns", "private", "--stop-signal", "SIGRTMIN+3"]
    words += ["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"]
    words += ["--tmpfs", "/run", "--tmpfs", "/tmp", "-v", f"{container}-docker:/var/lib/docker"]
    words += [word for capability in CAPABILITIES for word in ("--cap-add", capability)]
    words += ["-e", "container=docker", "-e", f"EDGEDROP_AUTHORIZED_KEY={authorized}"]
    if Path("/sys/fs/cgroup/memory").is_dir():
        words += ["-e", CGROUP_V1]
    return [*words, image("box")["id"]]


def image(name: str) -> dict[str, str]:
    """An image that `make images` built."""
    found: dict[str, dict[str, str]] = json.loads((ROOT / "build" / "images.json").read_text())
    return found[name]
