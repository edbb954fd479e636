"""The journal on disk: append, sync, read back, and after a fault back to where the last good sync left it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from node_image.protocol.frames import HEAD, LENGTH
from node_image.protocol.journal import NO_HEAD, Frame, Reader, decode, seq_of

PROBE_BYTES = 1 << 20
CHUNK = 1 << 18
ONE_FRAME = 512  # most frames are shorter


class DiskFault(Exception):
    """A write or a sync failed, or it is another process's: nothing after it may be signed.

    A second sync would lie (fsyncgate): see `rewind`.
    """


class JournalFile:
    """One grant's journal, open for appending by one process: DiskFault where another one has it open.

    An engine that was killed may have forgotten a signer that still runs when it starts the next one. The lock
    (flock(2)) ends with the process that has it, however that ends.

    Appended bytes wait in memory until `flush` or `sync`; reading sees them there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            os.close(self._file)
            raise DiskFault("another process has the journal open: two signers would sign one number twice") from fault
        self._waiting = bytearray()
        self.written = self.durable = os.fstat(self._file).st_size
        self.torn = 0

    def replay(self) -> Iterator[Frame]:
        """Each frame of all whole appends; then what was cut short is cut off, and all that stays is durable."""
        reader, at = Reader(), 0
        while data := self._read(at, CHUNK):
            yield from reader.feed(data)
            at += len(data)
        self.torn = reader.finish()
        try:
            if self.torn:
                os.ftruncate(self._file, reader.good_length)
            os.fsync(self._file)
            self._sync_folder()
        except OSError as fault:
            raise DiskFault(f"the journal cannot be synced: {fault.strerror}") from fault
        self.written = self.durable = os.fstat(self._file).st_size

    def append(self, data: bytes) -> None:
        """Put it at the end; not in the file before `flush`, not durable before `sync`."""
        self._waiting += data

    def flush(self) -> None:
        """Write what waits."""
        data = bytes(self._waiting)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as fault:
            raise DiskFault(f"the journal cannot be written: {fault.strerror}") from fault
        self._waiting.clear()
        self.written += len(data)

    def sync(self) -> None:
        """Make all written frames durable."""
        reached = self.written
        try:
            os.fdatasync(self._file)
        except OSError as fault:
            raise DiskFault(f"the journal cannot be synced: {fault.strerror}") from fault
        self.durable = reached

    def rewind(self) -> None:
        """Cut off all that no sync has confirmed; DiskFault while the disk still fails or has no room.

        The kernel drops a page's dirty mark when its sync fails: only what is written anew is ever synced again. No
        claim that is cut off was signed or answered; a SIGNATURE that is, is made again over the same digest.
        """
        try:
            self._probe()
            os.ftruncate(self._file, self.durable)
            os.fsync(self._file)
        except OSError as fault:
            raise DiskFault(f"the disk takes nothing: {fault.strerror}") from fault
        self._waiting.clear()
        self.written = self.durable

    def raws(self, at: int) -> Iterator[bytes]:
        """The frames from byte `at` on as they stand, unchecked; ends at the journal's end."""
        data, used, size = b"", 0, ONE_FRAME
        while True:
            left = len(data) - used
            length = LENGTH.size + LENGTH.unpack_from(data, used)[0] if left >= LENGTH.size else LENGTH.size
            if left >= length > LENGTH.size:
                yield data[used : used + length]
                used, at = used + length, at + length
                continue
            data, used = self._read(at, max(size, length)), 0
            size = CHUNK
            if len(data) <= max(left, LENGTH.size):
                return

    def frames(self, at: int) -> Iterator[Frame]:
        """The frames from byte `at` on, each checked against the chain that it stands in."""
        previous, seq = self._read(at - HEAD, HEAD) if at else NO_HEAD, -1
        for raw in self.raws(at):
            seq = seq_of(raw) if seq < 0 else seq
            _, frame = next(decode(raw, head=previous, seq=seq, base=at))
            yield frame
            previous, seq, at = frame.head, seq + 1, at + len(raw)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _read(self, at: int, size: int) -> bytes:
        """From the file, and from what waits behind it."""
        try:
            data = os.pread(self._file, min(size, self.written - at), at) if at < self.written else b""
        except OSError as fault:
            raise DiskFault(f"the journal cannot be read: {fault.strerror}") from fault
        begin = at + len(data) - self.written
        return data + bytes(self._waiting[begin : begin + size - len(data)]) if begin >= 0 else data

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

    def _sync_folder(self) -> None:
        """A file is durable only when its name is."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
