"""Where state lives outside the tree: one folder, `EDGEDROP_HOME`, 0700 with files 0600 (docs/architecture.md)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_native_id

from node_image import durable

ROOT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """The state folder, made on first use."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return _private_folder(Path(os.environ.get("EDGEDROP_HOME") or Path(base) / "edgedrop"))


def place(*parts: str) -> Path:
    """A path below the state folder whose parent exists."""
    path = home().joinpath(*parts)
    _private_folder(path.parent)
    return path


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read; on the disk, whole or not at all, however many do so at once."""
    _private_folder(path.parent)
    part = path.with_name(f"{path.name}.{os.getpid()}.{get_native_id()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    durable.sync(path.parent)


def forget_private(path: Path) -> None:
    """Take the file away, and what a writer that was killed left beside it."""
    for one in (path, *path.parent.glob(f"{path.name}.*.part")):
        one.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One run at a time: who comes meanwhile waits. It ends with the process, however that ends."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _private_folder(path: Path) -> Path:
    """The folder, made with what is missing above it: `mkdir(parents=True)` would give those the umask's mode."""
    for folder in (*reversed(path.parents), path):
        folder.mkdir(exist_ok=True, mode=0o700)
    return path


def cache() -> Path:
    """The cache folder of toolchain/setup."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("EDGEDROP_CACHE") or Path(base) / "edgedrop")
