"""The audit trail: who did what, when, why, on which nodes, and what came of it. `EDGEDROP_HOME/audit/trail.jsonl`.

Its lines are `node_image/protocol/trail.py`'s: none can be changed, taken out or put in between. That the last ones
were cut off the file alone can't tell; the ledger's copy does (`infra/ops/audit.py`).
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from infra.errors import EdgedropError, NotVerified
from infra.home import forget_private, locked, place, write_private
from infra.keys import owner_pem, owner_public_pem
from node_image.protocol import trail
from node_image.protocol.errors import NotVerified as NotSigned
from node_image.protocol.trail import Entry

BEGUN, DONE = "begun", "done"
KEEP = "somebody changed the file: keep it as it is, and compare with the ledger's copy"


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
    there = whole.splitlines()
    before = trail.digest(there[-1]) if there else trail.FIRST
    entry = msgspec.structs.replace(entry, number=len(there), before=before)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.truncate(len(whole))
        file.seek(len(whole))
        file.write(trail.sign(entry, owner_pem()) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return entry.number


def lines() -> tuple[bytes, ...]:
    """The trail's whole lines, oldest first."""
    path = _path()
    held = path.read_bytes() if path.exists() else b""
    return tuple(held[: held.rfind(b"\n") + 1].splitlines())


def entries() -> tuple[Entry, ...]:
    """What they say, each checked; NotVerified with the first that was tampered with."""
    try:
        return trail.verify(lines(), owner_public_pem())
    except NotSigned as fault:
        raise NotVerified(f"the audit trail, {fault}", KEEP) from fault


def shipped(lab: str) -> int:
    """How many of them the lab's bus has taken."""
    path = _shipped(lab)
    return int(path.read_text()) if path.exists() else 0


def ship(lab: str, count: int) -> None:
    """It has taken so many now."""
    write_private(_shipped(lab), str(count).encode())


def forget(lab: str) -> None:
    """The lab is gone, and its ledger with it."""
    forget_private(_shipped(lab))


def _shipped(lab: str) -> Path:
    return place("audit", f"{lab}.shipped")


def _path() -> Path:
    return place("audit", "trail.jsonl")
