"""Puts a bundle together: what an earlier run has copied is kept, what it copied half is copied anew."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import rfc8785
from tuf.api.metadata import TargetFile

from infra import release as releases
from infra.bundle import images, signing, stick
from infra.bundle.images import Images
from infra.bundle.stick import CONTENTS, METADATA, RELEASE, TARGETS, Contents
from infra.errors import BadUsage
from infra.node_settings import NodeSettings
from infra.release import Release
from infra.slot import ON_STICK, slot_document

Told = Callable[[str, int], None]  # what was copied, its bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing to copy; `digest` is the SHA-256 (hex) that it must have."""

    path: str
    digest: str
    chunks: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Cargo:
    """What the bundle is to carry."""

    release: Release
    registry: str
    drop: str
    nodes: Mapping[str, NodeSettings]


def make(folder: Path, cargo: Cargo, source: Images, days: float, told: Told) -> Contents:
    """Copy all, then sign what is there; until the timestamp stands the bundle is no bundle."""
    _usable(folder)
    (folder / METADATA / "timestamp.json").unlink(missing_ok=True)
    now = int(time.time())
    contents = Contents(1, now, cargo.release.digest, cargo.registry, cargo.drop, tuple(sorted(cargo.nodes)))
    files: dict[str, TargetFile] = {}
    for one in chain(_documents(cargo, contents), _node_files(cargo), _images(cargo.release, source)):
        if one.path not in files:
            size = _copied(folder / TARGETS, one)
            files[one.path] = TargetFile(size, {"sha256": one.digest}, one.path)
            told(one.path, size)
    for name, data in signing.signed(files, now, days).items():
        stick.put(folder / METADATA, name, [data], _sha256(data))
    _sweep(folder / TARGETS, files)
    return contents


def _sweep(targets: Path, files: Mapping[str, TargetFile]) -> None:
    """What an earlier bundle in this folder held, and this one does not."""
    for path in targets.rglob("*"):
        if path.is_file() and str(path.relative_to(targets)) not in files:
            path.unlink()


def _usable(folder: Path) -> None:
    """An empty folder, a bundle, or a name that is free."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise BadUsage(f"{folder} is no folder", "name a folder on the stick")
    strange = sorted(path.name for path in folder.glob("*") if path.name not in (METADATA, TARGETS))
    if strange and not (folder / METADATA).exists():
        raise BadUsage(f"{folder} holds other things: {', '.join(strange[:3])}", "name a folder of the bundle's own")


def _copied(folder: Path, one: Wanted) -> int:
    there = stick.whole(folder, one.path, one.digest)
    return stick.put(folder, one.path, one.chunks(), one.digest) if there is None else there


def _documents(cargo: Cargo, contents: Contents) -> Iterator[Wanted]:
    yield _data(CONTENTS, rfc8785.dumps(msgspec.to_builtins(contents)))
    yield _data(RELEASE, releases.envelope(cargo.release.digest))
    for name, settings in cargo.nodes.items():
        yield _data(stick.node_name(name), slot_document(settings).payload())


def _node_files(cargo: Cargo) -> Iterator[Wanted]:
    """Those that hold no secret: the others never lie on a stick."""
    for settings in cargo.nodes.values():
        for name in ON_STICK:
            data = (settings.folder / name).read_bytes()
            yield _data(stick.blob_name(settings.files[name]), data)


def _images(release: Release, source: Images) -> Iterator[Wanted]:
    for image in release.images.values():
        name, digest = images.split(image)
        manifest = source.manifest(name, digest)
        yield _data(stick.blob_name(digest), manifest)
        for part in images.parse(manifest).parts:
            yield _blob(source, name, part.digest)


def _blob(source: Images, name: str, digest: str) -> Wanted:
    return Wanted(stick.blob_name(digest), digest.removeprefix("sha256:"), lambda: source.blob(name, digest))


def _data(path: str, data: bytes) -> Wanted:
    return Wanted(path, _sha256(data), lambda: [data])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
