"""A file that is there whole and on the disk, or not at all, whoever is killed meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE = 0o600


def write(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Synced with its folder, which is made where it is not there; OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """The names in it."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
