"""The audit trail's lines: who did what, each signed by the owner and naming the line before it. Pure.

Written by the control side (`infra/audit.py`), kept by the hub's ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
import rfc8785

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified

KIND = "application/vnd.edgedrop.audit+json"
SUBJECT = "audit.trail"
FIRST = "00" * 32


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


def sign(entry: Entry, private_pem: bytes) -> bytes:
    """The line, without its end."""
    return dsse.sign(KIND, rfc8785.dumps(msgspec.to_builtins(entry)), private_pem)


def read(line: bytes, public_pem: bytes) -> Entry:
    """What a line says, when the owner signed it; else NotVerified."""
    try:
        return msgspec.json.decode(dsse.verify(line, KIND, public_pem), type=Entry)
    except msgspec.DecodeError as fault:
        raise NotVerified(f"it is no line of an audit trail: {fault}") from fault


def digest(line: bytes) -> str:
    """What the next line calls this one, and what the ledger knows it by."""
    return hashlib.sha256(line).hexdigest()


def verify(lines: Iterable[bytes], public_pem: bytes) -> tuple[Entry, ...]:
    """The entries, when each is signed and follows the one before it; else NotVerified with the first that doesn't."""
    entries: list[Entry] = []
    before = FIRST
    for number, line in enumerate(lines):
        try:
            entry = read(line, public_pem)
        except NotVerified as fault:
            raise NotVerified(f"line {number + 1}: {fault}") from fault
        if (entry.number, entry.before) != (number, before):
            raise NotVerified(f"line {number + 1}: it does not follow the line before it")
        entries.append(entry)
        before = digest(line)
    return tuple(entries)
