"""The journal's frames and their hash chain: bytes to frames and back, and what a journal adds up to. No I/O.

A frame is `length u32 | kind u8 | journal_seq u64 | payload (canonical CBOR, RFC 8949 4.2) | head 32 bytes`,
big-endian; `length` counts what follows it. head = sha256(previous head | kind | journal_seq | payload), the first one
over 32 zero bytes.
One append is the CLAIM frames of a batch and its BATCH frame, or one frame of another kind.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import cbor2

from node_image.protocol import merkle
from node_image.protocol.eip712 import Batch, Voucher, claim_hash
from node_image.protocol.errors import JournalDamaged
from node_image.protocol.lease import Lease, LeaseDocument

NO_HEAD = bytes(32)
HEAD = 32
_LENGTH = struct.Struct(">I")
_FIXED = struct.Struct(">BQ")
MAX_FRAME = 1 << 20


class Kind(IntEnum):
    """What a frame records."""

    GRANT = 1
    LEASE = 2
    CLAIM = 3
    BATCH = 4
    SIGNATURE = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One record, with the chain's head after it."""

    kind: Kind
    seq: int
    payload: dict[str, Any]
    head: bytes
    raw: bytes


def encode(kind: Kind, seq: int, payload: dict[str, Any], previous: bytes) -> Frame:
    """The frame that follows a journal whose head is `previous`."""
    body = _FIXED.pack(kind, seq) + cbor2.dumps(payload, canonical=True)
    head = hashlib.sha256(previous + body).digest()
    return Frame(kind, seq, payload, head, _LENGTH.pack(len(body) + HEAD) + body + head)


def decode(data: bytes, *, head: bytes = NO_HEAD, seq: int = 0) -> Iterator[tuple[int, Frame]]:
    """Frames with the byte they begin at, each checked against the chain that stood at (`seq`, `head`).

    Ends before an incomplete frame; JournalDamaged at the first whole frame that doesn't verify.
    """
    offset = 0
    while len(data) - offset >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(data, offset)
        if not _FIXED.size + HEAD < length <= MAX_FRAME:
            raise JournalDamaged(offset, f"a frame of {length} bytes")
        end = offset + _LENGTH.size + length
        if end > len(data):
            return
        frame = _check(data[offset:end], offset, head, seq)
        yield offset, frame
        offset, head, seq = end, frame.head, seq + 1


def _check(raw: bytes, offset: int, previous: bytes, seq: int) -> Frame:
    body, head = raw[_LENGTH.size : -HEAD], raw[-HEAD:]
    if hashlib.sha256(previous + body).digest() != head:
        raise JournalDamaged(offset, "the hash chain breaks here")
    kind, found = _FIXED.unpack_from(body)
    if found != seq:
        raise JournalDamaged(offset, f"frame {found} stands where frame {seq} belongs")
    try:
        return Frame(Kind(kind), found, cbor2.loads(body[_FIXED.size :]), head, raw)
    except (ValueError, cbor2.CBORDecodeError) as fault:
        raise JournalDamaged(offset, f"an unreadable frame: {fault}") from fault


@dataclass(frozen=True, slots=True)
class Scan:
    """What a journal's bytes hold: whole appends, and how many bytes after them belong to one that was cut short."""

    frames: tuple[Frame, ...]
    good_length: int
    torn: int


def scan(data: bytes) -> Scan:
    """Read a whole journal. Nothing in the torn part was signed: its batch header was never synced."""
    frames: list[Frame] = []
    whole = good = 0
    for offset, frame in decode(data):
        frames.append(frame)
        if frame.kind is not Kind.CLAIM:
            whole, good = len(frames), offset + len(frame.raw)
    return Scan(tuple(frames[:whole]), good, len(data) - good)


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A claim as it was persisted; `batch_seq` and `index` say where its leaf stands."""

    claim_id: str
    tier: int
    seq: int
    to: bytes
    slot: int
    signature: bytes
    batch_seq: int
    index: int

    def leaf(self, grant_id: bytes) -> Voucher:
        """The voucher's struct, the leaf of its batch."""
        return Voucher(grant_id, self.tier, self.seq, self.to, bytes(20), self.slot, claim_hash(self.claim_id))


@dataclass(slots=True)
class BatchRecord:
    """A batch header with its claims; `signature` comes after the header is on disk."""

    header: Batch
    claims: tuple[ClaimRecord, ...]
    signature: bytes | None = None


@dataclass(slots=True)
class JournalState:
    """What the frames so far add up to. Changed by `apply` alone."""

    grant_id: bytes = b""
    key: bytes = b""
    head: bytes = NO_HEAD
    journal_seq: int = 0
    leases: dict[int, Lease] = field(default_factory=dict)
    next_seq: dict[int, int] = field(default_factory=dict)
    claims: dict[str, ClaimRecord] = field(default_factory=dict)
    nullifiers: set[tuple[int, bytes, int]] = field(default_factory=set)
    batches: dict[int, BatchRecord] = field(default_factory=dict)
    waiting: list[ClaimRecord] = field(default_factory=list)  # CLAIM frames whose BATCH frame is still to come

    @property
    def next_batch(self) -> int:
        """The number of the next batch."""
        return len(self.batches)

    def unsigned(self) -> list[BatchRecord]:
        """Batches whose header is on disk and whose signature is not known: the same digest is signed again."""
        return [batch for batch in self.batches.values() if batch.signature is None]

    def apply(self, frame: Frame) -> None:
        """Take one more frame, which was checked against the chain."""
        told = frame.payload
        match frame.kind:
            case Kind.GRANT:
                self.grant_id, self.key = told["grant_id"], told["key"]
            case Kind.LEASE:
                self._take_leases(told["document"])
            case Kind.CLAIM:
                self._take_claim(told)
            case Kind.BATCH:
                self._take_batch(told)
            case Kind.SIGNATURE:
                self.batches[told["batch_seq"]].signature = told["signature"]
        self.head, self.journal_seq = frame.head, frame.seq + 1

    def _take_leases(self, document: LeaseDocument | dict[str, Any]) -> None:
        for lease in document["leases"]:  # type: ignore[index]  # CBOR gives dicts
            self.leases[lease["tier"]] = Lease(**lease)
            self.next_seq.setdefault(lease["tier"], 0)

    def _take_claim(self, told: dict[str, Any]) -> None:
        record = ClaimRecord(
            told["claim_id"],
            told["tier"],
            told["seq"],
            told["to"],
            told["slot"],
            told["signature"],
            self.next_batch,
            len(self.waiting),
        )
        self.waiting.append(record)
        self.claims[record.claim_id] = record
        self.nullifiers.add((record.tier, record.to, record.slot))
        self.next_seq[record.tier] = record.seq + 1

    def _take_batch(self, told: dict[str, Any]) -> None:
        header = Batch(self.grant_id, told["batch_seq"], told["root"], told["count"], told["issued_at"])
        self.batches[header.batch_seq] = BatchRecord(header, tuple(self.waiting))
        self.waiting.clear()


def replay(frames: Sequence[Frame]) -> JournalState:
    """The state after these frames, from the journal's beginning."""
    state = JournalState()
    for frame in frames:
        state.apply(frame)
    return state


def batch_root(batch: BatchRecord) -> bytes:
    """The root recomputed from the batch's leaves."""
    return merkle.root([claim.leaf(batch.header.grant_id).struct_hash() for claim in batch.claims])
