"""The journal on disk: append, sync, read back, and after a fault back to where the last good sync left it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from node_image.protocol.journal import Frame, scan

PROBE_BYTES = 1 << 20


class DiskFault(Exception):
    """A write or a sync failed: nothing after it may be signed. A second sync would lie (fsyncgate): see `rewind`."""


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
        self._length = self._durable = os.fstat(self._file).st_size

    def append(self, data: bytes) -> None:
        """Write at the end; not durable before `sync`."""
        self._length += len(data)
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
        self._durable = self._length

    def rewind(self) -> None:
        """Cut off all that no sync has confirmed; DiskFault while the disk still fails or has no room.

        The kernel drops a page's dirty mark when its sync fails: only what is written anew is ever synced again. No
        claim that is cut off was signed or answered; a SIGNATURE that is, is made again over the same digest.
        """
        try:
            self._probe()
            os.ftruncate(self._file, self._durable)
            os.fsync(self._file)
        except OSError as fault:
            raise DiskFault(f"the disk takes nothing: {fault.strerror}") from fault
        self._length = self._durable

    def _probe(self) -> None:
        """Room, tried on a file of its own: half a probe in the journal would be damage."""
        path = self._path.with_name("probe")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if os.write(descriptor, bytes(PROBE_BYTES)) < PROBE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            path.unlink()

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
