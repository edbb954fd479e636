"""The audit trail: who did what, when, why, on which nodes, and what came of it. `EDGEDROP_HOME/audit/trail.jsonl`.

A line is a DSSE envelope by the owner's key and names the hash of the line before it, so that no line can be
changed, taken out or put in between. What the file alone can't tell is that its last lines were cut off: the ledger's
copy does (`infra/ops/audit.py`).
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import rfc8785

from infra.errors import EdgedropError, NotVerified
from infra.home import locked, place
from infra.keys import owner_pem
from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified as NotSigned

KIND = "application/vnd.edgedrop.audit+json"
FIRST = "00" * 32
BEGUN, DONE = "begun", "done"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line. An act has two: `begun`, and with that one's number in `of` what came of it; a killed one has one."""

    number: int
    before: str  # SHA-256 of the line before it
    at: str  # UTC, ISO 8601
    who: str
    what: str
    stack: str
    nodes: tuple[str, ...]
    why: str
    result: str
    of: int | None = None
    schema: int = 1


def who() -> str:
    """The person, as far as this machine knows: behind sudo the one who typed it."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def audited(what: str, stack: str, nodes: Collection[str], why: str = "") -> Iterator[None]:
    """What is done meanwhile stands in the trail before it begins, and how it ended stands there after it."""
    begun = append(what, stack, nodes, why, BEGUN)
    try:
        yield
    except BaseException as fault:
        told = fault.message if isinstance(fault, EdgedropError) else type(fault).__name__
        append(what, stack, nodes, why, f"failed: {told}", of=begun)
        raise
    append(what, stack, nodes, why, DONE, of=begun)


def append(what: str, stack: str, nodes: Collection[str], why: str, result: str, of: int | None = None) -> int:
    """One line, on the disk before this returns; its number."""
    try:
        with locked(place("audit", "lock")):
            return _append(_path(), Entry(0, "", now(), who(), what, stack, tuple(sorted(nodes)), why, result, of))
    except OSError as fault:
        raise EdgedropError(f"the audit trail can't be written: {fault.strerror}", f"look at {_path()}") from fault


def _append(path: Path, entry: Entry) -> int:
    """A last line that a kill cut short was never anybody's answer: it goes."""
    held = path.read_bytes() if path.exists() else b""
    whole = held[: held.rfind(b"\n") + 1]
    lines = whole.splitlines()
    entry = msgspec.structs.replace(entry, number=len(lines), before=digest(lines[-1]) if lines else FIRST)
    payload = rfc8785.dumps(msgspec.to_builtins(entry))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.truncate(len(whole))
        file.seek(len(whole))
        file.write(dsse.sign(KIND, payload, owner_pem()) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return entry.number


def digest(line: bytes) -> str:
    """What the next line calls this one, and what the ledger knows it by."""
    return hashlib.sha256(line).hexdigest()


def lines() -> tuple[bytes, ...]:
    """The trail's whole lines, oldest first."""
    path = _path()
    held = path.read_bytes() if path.exists() else b""
    return tuple(held[: held.rfind(b"\n") + 1].splitlines())


def verify(found: Collection[bytes], public: bytes) -> tuple[Entry, ...]:
    """The entries, when each is signed and follows the one before it; else NotVerified with the first that doesn't."""
    entries: list[Entry] = []
    before = FIRST
    for number, line in enumerate(found):
        try:
            entry = msgspec.json.decode(dsse.verify(line, KIND, public), type=Entry)
        except (NotSigned, msgspec.MsgspecError) as fault:
            raise NotVerified(f"the audit trail, line {number + 1}: {fault}", KEEP) from fault
        if (entry.number, entry.before) != (number, before):
            raise NotVerified(f"the audit trail, line {number + 1}: it does not follow the line before it", KEEP)
        entries.append(entry)
        before = digest(line)
    return tuple(entries)


KEEP = "somebody changed the file: keep it as it is, and compare with the ledger's copy"


def _path() -> Path:
    return place("audit", "trail.jsonl")
