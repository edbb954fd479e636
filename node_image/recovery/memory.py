"""What a box remembers of its commands: the newest one, on disk before it is begun; and the questions it has open."""

from __future__ import annotations

import fcntl
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from node_image import durable
from node_image.recovery.answer import Record, Taken

WAIT_S = 20.0  # for another command's end
POLL_S = 0.1
OPEN_NS = 120 * 10**9  # a question's life
MAX_OPEN = 8


class Lost(Exception):
    """The memory can't be read or written, so nothing may be done: it might be done a second time."""


class Busy(Exception):
    """Another command runs."""


class Memory:
    """One file, replaced whole, synced with its folder; written by whoever holds `alone`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "taken.json"

    def read(self) -> Record:
        """Empty on a box that never took one."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Record)
        except FileNotFoundError:
            return Record()
        except (OSError, msgspec.DecodeError) as fault:
            raise Lost(f"{self._path} can't be read: {fault}") from fault

    def keep(self, taken: Taken, *, acts: bool) -> None:
        """It is on the disk when this returns; `acts`: it is to change something."""
        record = Record(taken, taken if acts else self.read().acted)
        try:
            durable.write(self._path, msgspec.json.encode(record))
        except OSError as fault:
            raise Lost(f"{self._path} can't be written: {fault.strerror}") from fault

    @contextmanager
    def alone(self, wait_s: float = WAIT_S) -> Iterator[None]:
        """One command at a time; Busy after a while of waiting. It ends with the process, however that ends."""
        deadline = time.monotonic() + wait_s
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self._folder / "lock").open("w")
        except OSError as fault:
            raise Lost(f"{self._folder} can't be written: {fault.strerror}") from fault
        with lock:
            while not _locked(lock.fileno()):
                if time.monotonic() > deadline:
                    raise Busy
                time.sleep(POLL_S)  # the pace of asking
            yield

    def runs(self) -> bool:
        """Whether a command is being done now."""
        try:
            with self.alone(wait_s=0):
                return False
        except Busy:
            return True


class Questions:
    """Nonces that the box drew, one file each, gone with a reboot; each is good for one command."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "nonces"

    def draw(self) -> str:
        """A new one; of many only the newest stay open."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        nonce = secrets.token_hex(16)
        (self._folder / nonce).write_text(str(_now()))
        for old in sorted(self._folder.iterdir(), key=_drawn)[:-MAX_OPEN]:
            old.unlink(missing_ok=True)
        return nonce

    def open(self) -> frozenset[str]:
        """Those that were drawn a moment ago."""
        found = self._folder.iterdir() if self._folder.is_dir() else ()
        return frozenset(one.name for one in found if _now() - _drawn(one) < OPEN_NS)

    def spend(self, nonce: str) -> None:
        """It answers no second command."""
        for one in self._folder.glob("*"):
            if one.name == nonce:
                one.unlink(missing_ok=True)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _now() -> int:
    """Nanoseconds since the boot; nobody sets that clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _drawn(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
