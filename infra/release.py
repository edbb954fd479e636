"""A release: which image each service of a node runs, by digest, signed by the owner. One is current in each lab."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
import rfc8785

from infra import keys
from infra.errors import EdgedropError, NotVerified, StackNotUp
from infra.home import place, write_private
from node_image.protocol import dsse
from node_image.protocol.errors import ProtocolError
from node_image.spec import node_file

PAYLOAD_TYPE = "application/vnd.edgedrop.release+json"
PUSH_S = 300


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`images`: service -> `edgedrop/<name>@sha256:...`, the registry's host left out: each lab has its own."""

    schema: int
    images: dict[str, str]

    def payload(self) -> bytes:
        """What is signed: canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    @property
    def digest(self) -> str:
        """The release's name, from all that is in it."""
        return hashlib.sha256(self.payload()).hexdigest()

    def references(self, registry: str) -> dict[str, str]:
        """As a box pulls them from `registry` (host:port)."""
        return {service: f"{registry}/{image}" for service, image in self.images.items()}


def publish(lab: str, local_ids: Mapping[str, str], push_to: str) -> Release:
    """Push the images of all services of node.yaml to the lab's registry, sign what they are, make it current."""
    made = Release(1, {service: _push(service, local_ids[service], push_to) for service in node_file().containers})
    envelope = dsse.sign(PAYLOAD_TYPE, made.payload(), keys.owner_pem())
    write_private(place("releases", f"{made.digest}.dsse.json"), envelope)
    write_private(_current(lab), made.digest.encode())
    return made


def current(lab: str) -> Release:
    """The lab's current release, its signature and digest checked."""
    pointer = _current(lab)
    if not pointer.exists():
        raise StackNotUp(f"lab {lab} holds no release yet", f"type: edgedrop up {lab}")
    digest = pointer.read_text()
    path = place("releases", f"{digest}.dsse.json")
    try:
        payload = dsse.verify(path.read_bytes(), PAYLOAD_TYPE, keys.owner_public_pem())
        found = msgspec.json.decode(payload, type=Release)
    except (OSError, ProtocolError, msgspec.DecodeError) as fault:
        raise NotVerified(f"release {digest[:12]} does not verify: {fault}", f"type: edgedrop up {lab}") from fault
    if found.digest != digest:
        raise NotVerified(f"release {digest[:12]} is another one: {found.digest[:12]}", f"type: edgedrop up {lab}")
    if missing := node_file().containers.keys() - found.images.keys():
        names = ", ".join(sorted(missing))
        raise StackNotUp(f"release {digest[:12]} has no image of {names}", f"type: edgedrop up {lab}")
    return found


def _current(lab: str) -> Path:
    return place("releases", "current", lab)


def _push(service: str, image_id: str, push_to: str) -> str:
    name = f"edgedrop/{service}"
    there = f"{push_to}/{name}:current"
    _docker("tag", image_id, there)
    _docker("push", "--quiet", there)
    digests: list[str] = json.loads(_docker("image", "inspect", "--format", "{{json .RepoDigests}}", there))
    _docker("rmi", there)
    mine = next((digest for digest in digests if digest.startswith(f"{push_to}/{name}@")), None)
    if mine is None:
        raise EdgedropError(f"the registry at {push_to} told no digest of {name}", "type: make images")
    return mine.removeprefix(f"{push_to}/")


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=PUSH_S, check=False)
    if done.returncode != 0:
        raise EdgedropError(f"docker {arguments[0]} failed: {done.stderr.strip()}", "type: edgedrop doctor")
    return done.stdout
