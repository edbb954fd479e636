"""Whether a node takes no new claim because its box was told so: a file in the volume that its services share.

The door writes it, the mint reads it. It lies on the disk, so a reboot changes nothing; the folder belongs to the
services, so root follows no link in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

FILE, PART = "drained.json", "drained.json.part"
MODE = 0o644  # the mint is another user


class Drained(msgspec.Struct, frozen=True):
    """Since which command, whose, and why; `reason` may be empty."""

    sequence: int
    by: str
    reason: str

    @property
    def words(self) -> str:
        """What a buyer's client and the front's log are told."""
        return f"drained by the {self.by}" + (f": {self.reason}" if self.reason else "")


def write(folder: Path, told: Drained) -> None:
    """On the disk when this returns, whole or not at all; OSError."""
    with _opened(folder) as at:
        with suppress(FileNotFoundError):
            os.unlink(PART, dir_fd=at)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(PART, flags, MODE, dir_fd=at), "wb") as file:
            file.write(msgspec.json.encode(told))
            file.flush()
            os.fchmod(file.fileno(), MODE)
            os.fsync(file.fileno())
        os.rename(PART, FILE, src_dir_fd=at, dst_dir_fd=at)


def lift(folder: Path) -> bool:
    """It takes claims again from here on; whether it took none. OSError."""
    with _opened(folder) as at:
        try:
            os.unlink(FILE, dir_fd=at)
        except FileNotFoundError:
            return False
        return True


def read(folder: Path) -> str:
    """Why it takes no new claim, empty where it does. A file that can't be read is one until `undrain`."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Drained).words
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, msgspec.DecodeError):
        return f"drained: {FILE} can't be read"


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """The folder itself, synced at the end."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield at
        os.fsync(at)
    finally:
        os.close(at)
