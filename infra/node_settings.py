"""What one node is given: its containers, and its files laid out under EDGEDROP_HOME for Ansible and Pulumi to take.

The files hold secrets (the bus's password, the node's TLS key), so resources carry their place and digest, never
their content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from infra import certificates, installer, keys
from infra.home import ROOT, place, write_private
from infra.plan import facts
from infra.plan.model import DropPlan, HubAddresses, Node
from infra.provision.ssh import Host
from infra.release import Release
from infra.witness_files import files_of_node, witnesses_of
from node_image.bus.config import leaf_config
from node_image.recovery import place as recovery
from node_image.spec import Container, node_file, render


@dataclass(frozen=True, slots=True)
class Laid:
    """Files that lie in `folder` on this machine for a resource to take; `digests` are SHA-256 by name."""

    folder: Path
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """`files` are SHA-256 by name; they lie in `folder`. `override` says why its release isn't the wanted one."""

    host: Host
    release: str
    containers: tuple[Container, ...]
    registry: str
    folder: Path
    files: Mapping[str, str]
    override: str = ""

    def shared(self) -> dict[str, Any]:
        """The host's variables that mean the same on every machine."""
        return shared_vars(self.containers, self.registry)

    def told(self) -> dict[str, str]:
        """What is wanted of the node, as digests that the node remembers; a changed one is played anew."""
        return {
            "release": self.release,
            "playbooks": playbooks_digest(),
            "settings": _digest(json.dumps(self.shared(), sort_keys=True).encode()),
            **{f"file {name}": digest for name, digest in sorted(self.files.items())},
        }


def shared_vars(containers: Sequence[Container], registry: str) -> dict[str, Any]:
    """What runs on a node and where its images come from, as the roles read it."""
    told = [msgspec.to_builtins(one) | {"binds": one.binds} for one in containers]
    return {"edgedrop_containers": told, "edgedrop_registry": registry}


def hostvars(host: Host, shared: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """All of a host's variables on this machine: how it is reached, and where its files lie."""
    return {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_ssh_private_key_file": str(keys.ssh_key()),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={host.known_hosts} -o StrictHostKeyChecking=yes",
        "edgedrop_files": str(folder),
        **shared,
    }


def node_settings(plan: DropPlan, node: Node, stack: str, hub: HubAddresses, release: Release) -> NodeSettings:
    """Lay the node's files out and say what it is given."""
    folder = files_of(stack, node.name)
    content = {
        "nats.conf": leaf_config(hub.bus, keys.bus_secret()).encode(),
        "drop.json": msgspec.json.encode(
            facts(plan, node, hub, keys.owner_public_pem().decode(), witnesses_of(plan, node))
        ),
        "content.zip": place("drops", plan.drop, "content.zip").read_bytes(),
        "cloud.pem": certificates.node_pem(plan.drop, node.name),
        "authority.pem": certificates.authority_pem(),
        **files_of_node(plan, node),
        "recovery.json": _recovery(plan, node, hub),
        "bus.secret": keys.bus_secret().encode(),
        installer.NAME: installer.installer(),
    }
    return NodeSettings(
        host=Host.of_node(stack, node),
        release=release.digest,
        containers=render(release.references(hub.registry), node.kind),
        registry=hub.registry,
        folder=folder,
        files=lay(folder, content).digests,
    )


def lay(folder: Path, content: Mapping[str, bytes]) -> Laid:
    """Lay files out, writing those that changed."""
    for name, data in content.items():
        _write_changed(folder / name, data)
    return Laid(folder, {name: _digest(data) for name, data in content.items()})


def _recovery(plan: DropPlan, node: Node, hub: HubAddresses) -> bytes:
    """What the box's recovery is told of itself."""
    told = recovery.Facts(1, plan.stack, node.name, hub.bus, tuple(node_file().containers), keys.commanders())
    return msgspec.json.encode(told)


def files_of(stack: str, node: str) -> Path:
    """Where a node's files lie on this machine."""
    return place("nodes", stack, node, "any").parent


@cache
def playbooks_digest() -> str:
    """Over all playbooks and roles: an edited template is a change that preview shows."""
    return digest_of(ROOT / "playbooks")


def digest_of(folder: Path) -> str:
    """SHA-256 over the names and contents below a folder; what starts with a dot and byte code are left out."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    lines = (f"{path.relative_to(folder)} {_digest(path.read_bytes())}\n" for path in found if path.name[0] != ".")
    return _digest("".join(lines).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_changed(path: Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        write_private(path, data)
