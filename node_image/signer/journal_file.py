"""The journal on disk: append, sync, read back. After a failing sync it is never trusted again by this process."""

from __future__ import annotations

import os
from pathlib import Path

from node_image.protocol.journal import Frame, scan


class DiskFault(Exception):
    """A write or a sync failed: nothing after it may be signed (a second sync would lie, see fsyncgate)."""


class JournalFile:
    """One grant's journal, open for appending by one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        found = scan(path.read_bytes()) if path.exists() else None
        self.frames: tuple[Frame, ...] = found.frames if found else ()
        self.torn = found.torn if found else 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if found and found.torn:
            os.ftruncate(self._file, found.good_length)
        os.fsync(self._file)
        self._sync_folder()

    def append(self, data: bytes) -> None:
        """Write at the end; not durable before `sync`."""
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as fault:
            raise DiskFault(f"the journal cannot be written: {fault.strerror}") from fault

    def sync(self) -> None:
        """Make all appended frames durable."""
        try:
            os.fdatasync(self._file)
        except OSError as fault:
            raise DiskFault(f"the journal cannot be synced: {fault.strerror}") from fault

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _sync_folder(self) -> None:
        """A file is durable only when its name is."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
