"""The box's Docker engine, by its own command line: the same containers as playbooks/roles/service makes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from node_image.slots.content import ETC, Container

DOCKER_S = 120
STOP_S = 10
LABEL = "edgedrop.service"
MIB = 1 << 20
GONE = "No such object"  # removed between two questions; the others are told all the same


class EngineFault(Exception):
    """Docker said no."""


class Engine:
    """What the installer asks of Docker."""

    def shown(self) -> dict[str, dict[str, Any]]:
        """Our containers by name, as `docker inspect` has them."""
        ids = _docker("ps", "-aq", "--filter", f"label={LABEL}").split()
        found = json.loads(_docker("inspect", *ids, but=GONE)) if ids else []
        return {one["Name"].removeprefix("/"): one for one in found}

    def has_image(self, reference: str) -> bool:
        """Whether it is here, by its digest."""
        command = ["docker", "image", "inspect", "--format", "ok", reference]
        return subprocess.run(command, capture_output=True, timeout=DOCKER_S, check=False).returncode == 0

    def volumes(self) -> frozenset[str]:
        """Names of all."""
        return frozenset(_docker("volume", "ls", "-q").split())

    def remove(self, name: str) -> None:
        """Stopped in its own way first; one that is gone is gone."""
        if name in self.shown():
            _docker("stop", "-t", str(STOP_S), name)
            _docker("rm", "-f", name)

    def create(self, one: Container) -> None:
        """Not started yet."""
        _docker("create", *words(one))

    def start(self, name: str) -> None:
        """No news where it runs."""
        _docker("start", name)


def words(one: Container) -> list[str]:
    """`docker create`'s: pure, held against the role's container by tests/e2e/test_reimage.py."""
    told = ["--name", one.name, "--label", f"{LABEL}={one.service}", "--network", one.network, "--user", one.user]
    told += ["--memory", f"{one.memory_mb}m", "--memory-swap", f"{one.memory_mb}m", "--read-only", "--cap-drop", "ALL"]
    told += ["--security-opt", "no-new-privileges", "--tmpfs", "/tmp", "--restart", "unless-stopped"]  # noqa: S108
    told += ["--env-file", str(ETC / one.service / "env")]
    return [*told, *(word for bind in _with_modes(one.binds) for word in ("--volume", bind)), one.image]


def same(one: Container, shown: Mapping[str, Any]) -> bool:
    """Whether the container that is there was made of this."""
    config, host = shown["Config"], shown["HostConfig"]
    return bool(
        config["Image"] == one.image
        and config["User"] == one.user
        and config["Labels"].get(LABEL) == one.service
        and {f"{name}={value}" for name, value in one.env.items()} <= set(config["Env"] or ())
        and host["NetworkMode"] == one.network
        and host["Memory"] == one.memory_mb * MIB
        and _with_modes(host["Binds"] or ()) == _with_modes(one.binds)
    )


def _with_modes(binds: Iterable[str]) -> list[str]:
    """As Ansible writes them, with the mode that Docker takes for granted."""
    return sorted(bind if bind.count(":") == 2 else f"{bind}:rw" for bind in binds)  # noqa: PLR2004  from:to:mode


def taken_over(shown: Mapping[str, Any], etc: Path, files_of: Callable[[str], Mapping[str, str]]) -> Container:
    """What runs, as a slot writes it; `files_of` a service's folder tells SHA-256 by name."""
    config, host = shown["Config"], shown["HostConfig"]
    service = config["Labels"][LABEL]
    bound = {Path(bind.split(":")[0]).name for bind in host["Binds"] or () if bind.startswith("/")}
    path = etc / service / "env"
    lines = path.read_text().splitlines() if path.exists() else []
    return Container(
        name=shown["Name"].removeprefix("/"),
        service=service,
        image=config["Image"],
        network=host["NetworkMode"],
        user=config["User"],
        memory_mb=host["Memory"] // MIB,
        env=dict(line.split("=", 1) for line in lines if "=" in line),
        binds=tuple(host["Binds"] or ()),
        files={name: digest for name, digest in files_of(service).items() if name in bound},
    )


def _docker(*arguments: str, but: str = "") -> str:
    """What it says; EngineFault where it fails, but for this reason."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=DOCKER_S, check=False)
    except subprocess.TimeoutExpired as fault:
        raise EngineFault(f"docker {arguments[0]} gave no answer in {DOCKER_S} s") from fault
    if done.returncode != 0 and not (but and but in done.stderr):
        raise EngineFault(f"docker {arguments[0]}: {done.stderr.strip()[:300]}")
    return done.stdout
