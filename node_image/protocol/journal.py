"""The journal's frames and their hash chain: bytes to frames and back, and what a journal adds up to. No I/O.

A frame is `length u32 | kind u8 | journal_seq u64 | payload (canonical CBOR, RFC 8949 4.2) | head 32 bytes`,
big-endian; `length` counts what follows it. head = sha256(previous head | kind | journal_seq | payload), the first one
over 32 zero bytes. One append is the CLAIM frames of a batch and its BATCH frame, or one frame of another kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cbor2

from node_image.protocol import cbor, frames
from node_image.protocol.errors import JournalDamaged
from node_image.protocol.frames import FIXED, HEAD, LENGTH, Frame, Kind, Told
from node_image.protocol.state import (
    NO_HEAD,
    BatchRecord,
    ClaimRecord,
    JournalState,
    Nullifier,
    batch_root,
    nullifier,
    replay,
    who,
)

__all__ = [
    "NO_HEAD",
    "BatchRecord",
    "ClaimRecord",
    "Frame",
    "JournalState",
    "Kind",
    "Nullifier",
    "Reader",
    "batch_root",
    "decode",
    "encode",
    "follow",
    "nullifier",
    "replay",
    "scan",
    "seq_of",
    "who",
]

MAX_FRAME = 1 << 20


def encode(kind: Kind, seq: int, payload: dict[str, Any], previous: bytes) -> Frame:
    """The frame that follows a journal whose head is `previous`; ValueError for a payload that is not its kind's."""
    return follow(kind, seq, frames.typed(kind, payload), previous)


def follow(kind: Kind, seq: int, told: Told, previous: bytes) -> Frame:
    """The same for a payload that has its kind's type already."""
    body = FIXED.pack(kind, seq) + cbor.dumps(told)
    head = hashlib.sha256(previous + body).digest()
    return Frame(kind, seq, told, head, LENGTH.pack(len(body) + HEAD) + body + head)


def decode(data: bytes, *, head: bytes = NO_HEAD, seq: int = 0, base: int = 0) -> Iterator[tuple[int, Frame]]:
    """Frames with the byte they begin at, each checked against the chain that stood at (`seq`, `head`).

    Ends before an incomplete frame; JournalDamaged at the first whole frame that doesn't verify, with its byte in a
    journal of which `data` begins at `base`.
    """
    offset = 0
    while len(data) - offset >= LENGTH.size:
        (length,) = LENGTH.unpack_from(data, offset)
        if not FIXED.size + HEAD < length <= MAX_FRAME:
            raise JournalDamaged(base + offset, f"a frame of {length} bytes")
        end = offset + LENGTH.size + length
        if end > len(data):
            return
        frame = _check(data[offset:end], base + offset, head, seq)
        yield offset, frame
        offset, head, seq = end, frame.head, seq + 1


def seq_of(raw: bytes) -> int:
    """The number that a frame's bytes give it."""
    seq: int = FIXED.unpack_from(raw, LENGTH.size)[1]
    return seq


def kind_of(raw: bytes) -> Kind:
    """What a frame's bytes say it is."""
    return Kind(FIXED.unpack_from(raw, LENGTH.size)[0])


def _check(raw: bytes, offset: int, previous: bytes, seq: int) -> Frame:
    body, head = raw[LENGTH.size : -HEAD], raw[-HEAD:]
    if hashlib.sha256(previous + body).digest() != head:
        raise JournalDamaged(offset, "the hash chain breaks here")
    kind, found = FIXED.unpack_from(body)
    if found != seq:
        raise JournalDamaged(offset, f"frame {found} stands where frame {seq} belongs")
    try:
        payload = cbor2.loads(body[FIXED.size :])
        return Frame(Kind(kind), found, frames.typed(Kind(kind), payload), head, raw)
    except (ValueError, cbor2.CBORDecodeError) as fault:
        raise JournalDamaged(offset, f"an unreadable frame: {fault}") from fault


class Reader:
    """A journal read piece by piece, of which only the append under way is kept."""

    def __init__(self) -> None:
        self._data = b""
        self._append: list[Frame] = []  # whole frames of an append whose end is still to come
        self._head, self._seq = NO_HEAD, 0
        self._read = self.good_length = 0  # bytes of whole frames, and of whole appends

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames of each append that is whole with these bytes; JournalDamaged as `decode`."""
        self._data += data
        start, used = self._read, 0
        for offset, frame in decode(self._data, head=self._head, seq=self._seq, base=start):
            used = offset + len(frame.raw)
            self._head, self._seq, self._read = frame.head, frame.seq + 1, start + used
            self._append.append(frame)
            if frame.kind is not Kind.CLAIM:
                self.good_length = self._read
                yield from self._append
                self._append.clear()
        self._data = self._data[used:]

    def finish(self) -> int:
        """How many bytes at the end belong to an append that was cut short.

        Nothing in them was signed: the batch's header was never synced.
        """
        _refuse_false_length(self._data, self._read, self._head)
        return self._read + len(self._data) - self.good_length


@dataclass(frozen=True, slots=True)
class Scan:
    """What a journal's bytes hold: whole appends, and how many bytes after them belong to one that was cut short."""

    frames: tuple[Frame, ...]
    good_length: int
    torn: int


def scan(data: bytes) -> Scan:
    """Read a whole journal."""
    reader = Reader()
    found = tuple(reader.feed(data))
    torn = reader.finish()
    return Scan(found, reader.good_length, torn)


def _refuse_false_length(data: bytes, offset: int, previous: bytes) -> None:
    """A length damaged upwards looks like a cut; but then a whole frame stands there, and must not be cut off."""
    start = LENGTH.size
    if len(data) < start + FIXED.size + HEAD:
        return
    running = hashlib.sha256(previous + data[start : start + FIXED.size])
    for end in range(start + FIXED.size, len(data) - HEAD + 1):
        if running.digest() == data[end : end + HEAD]:
            raise JournalDamaged(offset, "a whole frame under a false length")
        running.update(data[end : end + 1])
