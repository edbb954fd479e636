"""The folder of a bundle: only plain files at known places are read; a file is there whole or not at all.

metadata/{1.root,targets,snapshot,timestamp}.json    TUF; the timestamp is written last
targets/bundle.json                                  what the bundle is (Contents)
targets/release.dsse.json                            the release, signed by the owner
targets/nodes/<node>.json                            what each node is given (infra/slot.py)
targets/blobs/sha256/<hex>                           images' parts and nodes' files, named by what is in them
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

from infra.errors import BadUsage, NotVerified

METADATA, TARGETS = "metadata", "targets"
CONTENTS, RELEASE = "bundle.json", "release.dsse.json"
CHUNK = 1 << 20
NAME = re.compile(r"bundle\.json|release\.dsse\.json|nodes/[a-z][a-z0-9-]{0,62}\.json|blobs/sha256/[0-9a-f]{64}")


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the bundle is; `drop` is the drop's stack, empty for images alone. `made_at` in Unix seconds."""

    schema: int
    made_at: int
    release: str
    registry: str
    drop: str
    nodes: tuple[str, ...]


def blob_name(digest: str) -> str:
    """The target that holds what has this SHA-256 (hex, or `sha256:<hex>`)."""
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def node_name(node: str) -> str:
    """The target that says what a node is given."""
    return f"nodes/{node}.json"


def read(folder: Path, path: str) -> Iterator[bytes]:
    """A plain file of the bundle, in chunks; NotVerified where it or a folder above it is anything else."""
    at = folder / path
    above = [folder.joinpath(*PurePosixPath(path).parts[:depth]) for depth in range(1, len(PurePosixPath(path).parts))]
    if not all(stat.S_ISDIR(one.lstat().st_mode) for one in above) or not stat.S_ISREG(at.lstat().st_mode):
        raise NotVerified(f"{path} is no plain file", "a bundle holds no links; make it anew: edgedrop bundle")
    with os.fdopen(os.open(at, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def put(folder: Path, path: str, chunks: Iterable[bytes], digest: str) -> int:
    """Write what must have this SHA-256 (hex): named last, so that a half-copied file never has the name. Its size."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    hashed, size = hashlib.sha256(), 0
    try:
        with part.open("wb") as file:
            for chunk in chunks:
                hashed.update(chunk)
                size += len(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except OSError as fault:
        raise BadUsage(f"{target}: {fault.strerror}", "is the stick full, or gone? The same command goes on") from fault
    if hashed.hexdigest() != digest:
        part.unlink()
        raise NotVerified(f"{path} is not what its name says", "the registry gave something else: edgedrop up <lab>")
    part.replace(target)
    return size


def whole(folder: Path, path: str, digest: str) -> int | None:
    """The size of a file that an earlier run has copied whole; read through, since a stick forgets at will."""
    hashed, size = hashlib.sha256(), 0
    try:
        for chunk in read(folder, path):
            hashed.update(chunk)
            size += len(chunk)
    except (OSError, NotVerified):
        return None
    return size if hashed.hexdigest() == digest else None
