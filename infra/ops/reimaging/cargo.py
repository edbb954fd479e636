"""What a node is to get, and who has its images and files: the lab's registry and this machine, or a stick."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import httpx

from infra import installer, stacks
from infra import release as releases
from infra.bundle.images import Images, LabRegistry
from infra.bundle.verify import Bundle, open_bundle
from infra.errors import BadUsage, NotVerified
from infra.node_settings import files_of, node_settings
from infra.plan import plan_lab
from infra.plan.model import DropPlan, Node
from infra.provision.ssh import Host
from infra.release import Release
from infra.slot import ON_STICK, SlotDocument, slot_document
from infra.stacks import Stack


@dataclass(frozen=True, slots=True)
class Cargo:
    """What the node is to get, and who has its images and files."""

    document: SlotDocument
    release: Release
    source: Images
    envelope: bytes
    pyz: bytes
    folder: Path  # the node's files on this machine, which alone has those that hold secrets
    stick: Bundle | None = None  # that has the others

    def file(self, name: str) -> bytes:
        """A file of the node's with the digest that is wanted; NotVerified where nobody has it."""
        digest = self.document.files[name]
        if self.stick is not None and name in ON_STICK:
            return self.stick.file(digest)
        path = self.folder / name
        data = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            raise NotVerified(
                f"{name} is neither on {self.document.node} nor here as it is wanted",
                "it holds a secret, which no stick carries: bring this node up where the drop's state is",
            )
        return data


@dataclass(frozen=True, slots=True)
class Source:
    """One release, for as many of a drop's nodes as a run takes."""

    stack: Stack
    plan: DropPlan
    release: Release
    envelope: bytes
    images: Images
    stick: Bundle | None = None

    def cargo(self, node: Node, host: Host) -> Cargo:
        """The node's; a stick that holds nothing for it is refused before anything is asked of it."""
        if self.stick is None or not self.stick.contents.drop:
            return self._with_what_is_here(node, host)
        if node.name not in self.stick.nodes:
            raise BadUsage(
                f"the bundle holds nothing for {node.name}",
                f"make one: edgedrop bundle current --drop {self.stack.drop_stack}",
            )
        document, kept = self.stick.nodes[node.name], files_of(host.stack, node.name)
        pyz = self.stick.file(document.files[installer.NAME])
        return Cargo(document, self.release, self.images, self.envelope, pyz, kept, self.stick)

    def _with_what_is_here(self, node: Node, host: Host) -> Cargo:
        """With what this machine would give the node now."""
        hub = plan_lab(stacks.load(self.stack.lab).slot)
        made = node_settings(self.plan, node, host.stack, hub, self.release)
        pyz = installer.installer()
        return Cargo(slot_document(made), self.release, self.images, self.envelope, pyz, made.folder)


def from_stick(folder: Path, stack: Stack, plan: DropPlan) -> Source:
    """Verified before anything is asked of a node; its release is known here from then on."""
    found = open_bundle(folder, stack.drop_stack, use=True)
    releases.keep(found.release, found.envelope)
    return Source(stack, plan, found.release, found.envelope, found, found)


def from_lab(client: httpx.Client, name: str | None, stack: Stack, plan: DropPlan) -> Source:
    """The release that is named, else the one that the drop wants."""
    lab = stacks.load(stack.lab)
    wanted = releases.chosen(lab.name, name, plan.release)
    registry = LabRegistry(client, plan_lab(lab.slot).registry_push)
    return Source(stack, plan, wanted, releases.envelope(wanted.digest), registry)
