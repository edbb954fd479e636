"""A bundle of the tests' own: real keys and signatures, images of a few bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra import installer, keys
from infra.bundle.images import MANIFEST_TYPE
from infra.bundle.make import Cargo, make
from infra.home import place, write_private
from infra.node_settings import NodeSettings
from infra.provision.ssh import Host
from infra.release import PAYLOAD_TYPE, Release
from infra.slot import ON_STICK
from node_image.protocol import dsse
from node_image.spec import node_file, render

DROP, NODE, REGISTRY = "harbour-lights", "quay-appliance1", "10.16.0.3:5000"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class TinyImages:
    """By digest; `asked` are the blobs that were asked for. At those in `cut` the way breaks off, of `lies` it lies."""

    held: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)

    def add(self, *layers: bytes) -> str:
        """An image; its digest."""
        config = self._keep(b'{"of": "%s"}' % sha256(b"".join(layers)).encode())
        told = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config,
            "layers": [self._keep(layer) for layer in layers],
        }
        return str(self._keep(json.dumps(told).encode())["digest"])

    def _keep(self, data: bytes) -> dict[str, object]:
        digest = f"sha256:{sha256(data)}"
        self.held[digest] = data
        return {"digest": digest, "size": len(data)}

    def manifest(self, _name: str, digest: str) -> bytes:
        return self.held[digest]

    def blob(self, _name: str, digest: str) -> Iterator[bytes]:
        self.asked.append(digest)
        yield self.held[digest][:1]
        if digest in self.cut:
            raise KeyboardInterrupt
        yield b"!" if digest in self.lies else self.held[digest][1:]


def tiny_release(images: TinyImages, mark: bytes = b"1") -> Release:
    """Signed and kept; each service's image has one layer of its own and one that all share."""
    told = {service: f"edgedrop/{service}@{images.add(b'shared', mark + service.encode())}" for service in services()}
    made = Release(1, told)
    signed = dsse.sign(PAYLOAD_TYPE, made.payload(), keys.owner_pem())
    write_private(place("releases", f"{made.digest}.dsse.json"), signed)
    return made


def services() -> tuple[str, ...]:
    return tuple(node_file().containers)


def tiny_settings(release: Release, folder: Path, node: str = NODE, drop: str = DROP) -> NodeSettings:
    """Each file holds its own name."""
    folder.mkdir(exist_ok=True)
    names = (*node_file().files, installer.NAME)
    files = {name: name if name in ON_STICK else f"{name}: a secret" for name in names}
    for name, text in files.items():
        (folder / name).write_text(text)
    return NodeSettings(
        host=Host(drop, node, "ssh://root@10.16.1.10:22"),
        release=release.digest,
        containers=render(release.references(REGISTRY), "appliance"),
        registry=REGISTRY,
        folder=folder,
        files={name: sha256(text.encode()) for name, text in files.items()},
    )


def tiny_bundle(
    folder: Path, work: Path, *, mark: bytes = b"1", drop: str = DROP, images: TinyImages | None = None
) -> Mapping[str, bytes]:
    """One that is good; its files by path."""
    images = images or TinyImages()
    release = tiny_release(images, mark)
    nodes = {NODE: tiny_settings(release, work / "files", drop=drop)} if drop else {}
    make(folder, Cargo(release, REGISTRY, drop, nodes), images, 30, lambda _name, _size: None)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
