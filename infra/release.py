"""A release: which image each service of a node runs, by digest, signed by the owner. One is current in each lab."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
import rfc8785

from infra import keys
from infra.errors import BadUsage, EdgedropError, NotVerified, StackNotUp
from infra.home import home, place, write_private
from node_image.protocol import dsse, parcel
from node_image.protocol.errors import ProtocolError
from node_image.spec import node_file

PAYLOAD_TYPE = parcel.RELEASE_TYPE
PUSH_S = 300
CURRENT = "current"


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
    """Make a release of these images the lab's current one."""
    made = make(local_ids, push_to)
    write_private(_current(lab), made.digest.encode())
    return made


def make(local_ids: Mapping[str, str], push_to: str) -> Release:
    """Push the images of all services of node.yaml to the lab's registry, sign what they are, keep it."""
    made = Release(1, {service: _push(service, local_ids[service], push_to) for service in node_file().containers})
    signed = dsse.sign(PAYLOAD_TYPE, made.payload(), keys.owner_pem())
    write_private(place("releases", f"{made.digest}.dsse.json"), signed)
    return made


def current(lab: str) -> Release:
    """The lab's current release, its signature and digest checked."""
    pointer = _current(lab)
    if not pointer.exists():
        raise StackNotUp(f"lab {lab} holds no release yet", f"type: edgedrop up {lab}")
    found = kept(pointer.read_text(), f"type: edgedrop up {lab}")
    if missing := node_file().containers.keys() - found.images.keys():
        names = ", ".join(sorted(missing))
        raise StackNotUp(f"release {found.digest[:12]} has no image of {names}", f"type: edgedrop up {lab}")
    return found


def wanted(lab: str, named_in_drop: str | None) -> Release:
    """What a drop's nodes are to run: the release that its file names, else the lab's current one."""
    if named_in_drop is None:
        return current(lab)
    return kept(named_in_drop, "the drop file names it: bring its envelope here, or name another")


def chosen(lab: str, name: str | None, named_in_drop: str | None) -> Release:
    """The one that a person names, else the wanted one."""
    return named(lab, name) if name else wanted(lab, named_in_drop)


def wanted_digest(lab: str, named_in_drop: str | None) -> str:
    """The name alone of what is wanted, whether or not it is here; empty where this machine was told of none."""
    pointer = _current(lab)
    return named_in_drop or (pointer.read_text() if pointer.exists() else "")


def named(lab: str, name: str) -> Release:
    """`current`, or the one that is named by the first digits of its digest."""
    if name == CURRENT:
        return current(lab)
    if not re.fullmatch(r"[0-9a-f]{6,64}", name):
        raise BadUsage(f"{name} names no release", f"say {CURRENT}, or six digits and more of its digest")
    found = sorted(path.name.split(".")[0] for path in home().glob(f"releases/{name}*.dsse.json"))
    if len(found) != 1:
        raise BadUsage(f"{len(found)} releases here are named {name}", "give more, or all, of its digest")
    return kept(found[0], "name another release")


def kept(digest: str, hint: str) -> Release:
    """A release of this state folder, its signature and digest checked."""
    try:
        return read(envelope(digest), digest)
    except (OSError, ProtocolError) as fault:
        raise NotVerified(f"release {digest[:12]} does not verify: {fault}", hint) from fault


def envelope(digest: str) -> bytes:
    """As it was signed; OSError where it isn't here."""
    return place("releases", f"{digest}.dsse.json").read_bytes()


def keep(found: Release, signed: bytes) -> None:
    """One that came on a stick and was verified: from now on it is known here."""
    write_private(place("releases", f"{found.digest}.dsse.json"), signed)


def read(signed: bytes, digest: str) -> Release:
    """The release of an envelope that is signed by the owner and has this digest; else ProtocolError."""
    payload = dsse.verify(signed, PAYLOAD_TYPE, keys.owner_public_pem())
    try:
        found = msgspec.json.decode(payload, type=Release)
    except msgspec.DecodeError as fault:
        raise ProtocolError(str(fault)) from fault
    if found.digest != digest:
        raise ProtocolError(f"it is another one: {found.digest[:12]}")
    return found


def _current(lab: str) -> Path:
    return place("releases", CURRENT, lab)


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
