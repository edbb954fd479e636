"""What a slot holds, read from its slot.json: as the control side renders it (infra/slot.py), or taken over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEX = re.compile(r"[0-9a-f]{64}")
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # a service's or a file's name: never a path
ETC = Path("/etc/edgedrop")


class Faulty(Exception):
    """A document that no slot can be made of."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container; `files` are SHA-256 by name."""

    name: str
    service: str
    image: str
    network: str
    user: str
    memory_mb: int
    env: Mapping[str, str]
    binds: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def volumes(self) -> dict[str, str]:
        """Its volumes by the path that they are seen at."""
        pairs = (bind.split(":") for bind in self.binds if not bind.startswith("/"))
        return {words[1]: words[0] for words in pairs}

    @property
    def env_file(self) -> bytes:
        """As playbooks/roles/service/templates/env.j2 writes it."""
        named = sorted(self.env.items(), key=lambda item: item[0].lower())
        return "".join(f"{name}={value}\n" for name, value in named).encode()


@dataclass(frozen=True, slots=True)
class Slot:
    """All of it; `told` is what the node remembers of it."""

    release: str
    containers: tuple[Container, ...]
    told: Mapping[str, str]

    @property
    def files(self) -> frozenset[str]:
        """SHA-256 of all."""
        return frozenset(digest for one in self.containers for digest in one.files.values())

    @property
    def volumes(self) -> dict[str, str]:
        """Of all containers."""
        return {path: name for one in self.containers for path, name in one.volumes.items()}


def read(data: bytes) -> Slot:
    """The slot; Faulty where the document is none."""
    try:
        told = json.loads(data)
        files = told["files"]
        found = Slot(
            release=_matching(HEX, told["release"]),
            containers=tuple(_container(one, files) for one in told["containers"]),
            told={str(name): str(value) for name, value in told["told"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Faulty(f"the slot's document is faulty: {fault!r}") from fault
    return found


def _container(told: Mapping[str, Any], files: Mapping[str, str]) -> Container:
    names, service = [_matching(PLAIN, one["name"]) for one in told["files"]], _matching(PLAIN, told["service"])
    return Container(
        name=_matching(PLAIN, told["name"]),
        service=service,
        image=told["image"],
        network=told["network"],
        user=told["user"],
        memory_mb=int(told["memory_mb"]),
        env=dict(told["env"]),
        binds=tuple(told["binds"]),
        files={name: _matching(HEX, files.get(f"{service}/{name}") or files[name]) for name in names},
    )


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


def write(release: str, containers: tuple[Container, ...], told: Mapping[str, str]) -> bytes:
    """The document of a slot that was taken over from what runs: each service has files of its own."""
    made = {
        "release": release,
        "containers": [
            {
                "name": one.name,
                "service": one.service,
                "image": one.image,
                "network": one.network,
                "user": one.user,
                "memory_mb": one.memory_mb,
                "env": dict(one.env),
                "binds": list(one.binds),
                "files": [{"name": name} for name in one.files],
            }
            for one in containers
        ],
        "files": {f"{one.service}/{name}": digest for one in containers for name, digest in one.files.items()},
        "told": dict(told),
    }
    return json.dumps(made, sort_keys=True).encode()
