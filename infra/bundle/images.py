"""Where an image's parts come from: the lab's registry. All of it is named by its digest, and checked against it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx
import msgspec

from infra.errors import NotVerified, Unreachable

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
OCI_TYPE = "application/vnd.oci.image.manifest.v1+json"
ANSWER_S = 30.0
CHUNK = 1 << 20


class Part(msgspec.Struct, frozen=True):
    """A blob as a manifest names it; `digest` is `sha256:<hex>`, `size` in bytes."""

    digest: str
    size: int


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What an image is made of (Docker's schema 2 and OCI's agree in this)."""

    media_type: str
    config: Part
    layers: tuple[Part, ...]

    @property
    def parts(self) -> Sequence[Part]:
        """All blobs."""
        return (self.config, *self.layers)


class Images(Protocol):
    """Who has images: a registry, or a bundle."""

    def manifest(self, name: str, digest: str) -> bytes:
        """The manifest of `edgedrop/<name>` with this digest."""

    def blob(self, name: str, digest: str) -> Iterator[bytes]:
        """A blob in chunks."""


@dataclass(frozen=True, slots=True)
class LabRegistry:
    """The lab's own, at `place` (host:port); it speaks plain HTTP."""

    client: httpx.Client
    place: str

    def manifest(self, name: str, digest: str) -> bytes:
        """As it was pushed; NotVerified where it is another."""
        kinds = {"Accept": f"{MANIFEST_TYPE}, {OCI_TYPE}"}
        data = b"".join(self._get(f"{name}/manifests/{digest}", kinds))
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise NotVerified(f"the registry gives another manifest of {name}", "type: edgedrop up <lab>")
        return data

    def blob(self, name: str, digest: str) -> Iterator[bytes]:
        """Whoever takes it checks it."""
        return self._get(f"{name}/blobs/{digest}", {})

    def _get(self, path: str, headers: dict[str, str]) -> Iterator[bytes]:
        url = f"http://{self.place}/v2/{path}"
        try:
            with self.client.stream("GET", url, headers=headers, timeout=ANSWER_S) as answer:
                answer.raise_for_status()
                yield from answer.iter_raw(CHUNK)
        except httpx.HTTPError as fault:
            raise Unreachable(f"the lab's registry: {fault!r}", "is the lab up? type: edgedrop status") from fault


def split(image: str) -> tuple[str, str]:
    """`edgedrop/<name>@sha256:<hex>` as name and digest."""
    name, _, digest = image.partition("@")
    return name, digest


def parse(data: bytes) -> Manifest:
    """A manifest; NotVerified where it is none, or one of several machines' images."""
    try:
        found = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as fault:
        raise NotVerified(f"that is no image's manifest: {fault}", "type: edgedrop up <lab>") from fault
    if found.media_type not in (MANIFEST_TYPE, OCI_TYPE):
        raise NotVerified(f"a manifest of type {found.media_type} is not known", "type: edgedrop up <lab>")
    return found
