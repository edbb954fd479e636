"""A node's containers as frozen data: `node.yaml` read once. Ansible and Pulumi both take the result."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
from ruamel.yaml import YAML

Stage = Literal["appliance", "drop"]
Kind = Literal["appliance", "spare"]
USER = "10001:10001"


class ContainerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One container as node.yaml writes it; a faulty key is named by msgspec with its path."""

    stage: Stage
    network: Literal["host", "none"]
    memory_mb: int
    files: list[str] = []
    volumes: dict[str, str] = {}
    env: dict[str, str] = {}
    kinds: tuple[Kind, ...] = ("appliance", "spare")  # of nodes that run it
    host: list[str] = []  # paths of the node itself, as Docker writes binds; of appliances only


class NodeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """node.yaml."""

    containers: dict[str, ContainerEntry]
    files: dict[str, str]
    public: tuple[str, ...]


class File(msgspec.Struct, frozen=True):
    """A file that a container sees at `path`; on a node it lies at the same place, on a spare it is uploaded."""

    name: str
    path: str


class Container(msgspec.Struct, frozen=True):
    """All that is said of one container; memory in MiB."""

    name: str  # edgedrop-signer
    service: str  # signer
    stage: Stage
    image: str
    network: str
    user: str
    memory_mb: int
    env: dict[str, str]
    volumes: dict[str, str]
    files: tuple[File, ...]
    host: tuple[str, ...] = ()

    @property
    def binds(self) -> list[str]:
        """On a node: its volumes, its files from the folder of the service, the node's paths, as Docker writes them."""
        placed = [f"/etc/edgedrop/{self.service}/{file.name}:{file.path}:ro" for file in self.files]
        return [*(f"{volume}:{path}" for volume, path in self.volumes.items()), *placed, *self.host]


@cache
def node_file() -> NodeFile:
    """The spec as committed."""
    loaded = YAML(typ="safe").load(Path(__file__).with_name("node.yaml"))
    return msgspec.convert(loaded, NodeFile)


def render(images: dict[str, str], kind: Kind) -> tuple[Container, ...]:
    """The containers of a node of the kind; `images` maps each service to its reference by digest."""
    spec = node_file()
    entries = ((service, entry) for service, entry in spec.containers.items() if kind in entry.kinds)
    return tuple(_container(service, entry, images[service], spec) for service, entry in entries)


def _container(service: str, entry: ContainerEntry, image: str, spec: NodeFile) -> Container:
    return Container(
        name=f"edgedrop-{service}",
        service=service,
        stage=entry.stage,
        image=image,
        network=entry.network,
        user=USER,
        memory_mb=entry.memory_mb,
        env=entry.env,
        volumes=entry.volumes,
        files=tuple(File(name, spec.files[name]) for name in entry.files),
        host=tuple(entry.host),
    )
