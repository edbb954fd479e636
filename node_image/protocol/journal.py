"""The journal's frames and their hash chain: bytes to frames and back, and what a journal adds up to. No I/O.

A frame is `length u32 | kind u8 | journal_seq u64 | payload (canonical CBOR, RFC 8949 4.2) | head 32 bytes`,
big-endian; `length` counts what follows it. head = sha256(previous head | kind | journal_seq | payload), the first one
over 32 zero bytes. One append is the CLAIM frames of a batch and its BATCH frame, or one frame of another kind.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2

from node_image.protocol import frames, merkle
from node_image.protocol.eip712 import Batch, Voucher, claim_hash
from node_image.protocol.errors import JournalDamaged, ProtocolError
from node_image.protocol.frames import Kind, Told
from node_image.protocol.lease import Lease

__all__ = ["Frame", "JournalState", "Kind", "batch_root", "decode", "encode", "replay", "scan"]

NO_HEAD = bytes(32)
HEAD = 32
_LENGTH = struct.Struct(">I")
_FIXED = struct.Struct(">BQ")
MAX_FRAME = 1 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """One record, with the chain's head after it; `told` is the payload as its kind's type."""

    kind: Kind
    seq: int
    payload: dict[str, Any]
    told: Told
    head: bytes
    raw: bytes


def encode(kind: Kind, seq: int, payload: dict[str, Any], previous: bytes) -> Frame:
    """The frame that follows a journal whose head is `previous`; ValueError for a payload that is not its kind's."""
    told = frames.typed(kind, payload)
    body = _FIXED.pack(kind, seq) + cbor2.dumps(payload, canonical=True)
    head = hashlib.sha256(previous + body).digest()
    return Frame(kind, seq, payload, told, head, _LENGTH.pack(len(body) + HEAD) + body + head)


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
        payload = cbor2.loads(body[_FIXED.size :])
        return Frame(Kind(kind), found, payload, frames.typed(Kind(kind), payload), head, raw)
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
    found: list[Frame] = []
    whole = good = end = 0
    head = NO_HEAD
    for offset, frame in decode(data):
        found.append(frame)
        end, head = offset + len(frame.raw), frame.head
        if frame.kind is not Kind.CLAIM:
            whole, good = len(found), end
    _refuse_false_length(data, end, head)
    return Scan(tuple(found[:whole]), good, len(data) - good)


def _refuse_false_length(data: bytes, offset: int, previous: bytes) -> None:
    """A length damaged upwards looks like a cut; but then a whole frame stands there, and must not be cut off."""
    start = offset + _LENGTH.size
    if len(data) < start + _FIXED.size + HEAD:
        return
    running = hashlib.sha256(previous + data[start : start + _FIXED.size])
    for end in range(start + _FIXED.size, len(data) - HEAD + 1):
        if running.digest() == data[end : end + HEAD]:
            raise JournalDamaged(offset, "a whole frame under a false length")
        running.update(data[end : end + 1])


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
        """Take one more frame, which was checked against the chain; ProtocolError when it breaks a rule."""
        if (frame.seq == 0) is not (frame.kind is Kind.GRANT):
            raise ProtocolError(f"frame {frame.seq}: a journal begins with its one GRANT frame")
        if self.waiting and frame.kind not in {Kind.CLAIM, Kind.BATCH}:
            raise ProtocolError(f"frame {frame.seq}: claims without their batch")
        match frame.told:
            case frames.Grant(grant_id=grant_id, key=key):
                self.grant_id, self.key = grant_id, key
            case frames.Leases(document=document):
                self._take_leases(document.leases)
            case frames.Claim() as claim:
                self._take_claim(claim)
            case frames.Header() as header:
                self._take_batch(header)
            case frames.Signed() as signed:
                self._take_signature(signed)
        self.head, self.journal_seq = frame.head, frame.seq + 1

    def _take_leases(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            if self.leases.setdefault(lease.tier, lease) != lease:
                raise ProtocolError(f"tier {lease.tier} has another lease already; a lease never changes")
            self.next_seq.setdefault(lease.tier, 0)

    def _take_claim(self, told: frames.Claim) -> None:
        """I1 and I2, whatever wrote the frame: a seq is given once, in order, within its lease."""
        lease = self.leases.get(told.tier)
        nullifier = (told.tier, told.to, told.slot)
        if lease is None or told.seq != self.next_seq[told.tier] or told.seq >= lease.quota:
            raise ProtocolError(f"claim {told.claim_id}: seq {told.seq} of tier {told.tier} was not to be given")
        if told.claim_id in self.claims or nullifier in self.nullifiers:
            raise ProtocolError(f"claim {told.claim_id}: given a second time")
        place = (self.next_batch, len(self.waiting))
        record = ClaimRecord(told.claim_id, told.tier, told.seq, told.to, told.slot, told.signature, *place)
        self.waiting.append(record)
        self.claims[record.claim_id] = record
        self.nullifiers.add(nullifier)
        self.next_seq[record.tier] = record.seq + 1

    def _take_batch(self, told: frames.Header) -> None:
        if told.batch_seq != self.next_batch or not 0 < told.count == len(self.waiting):
            raise ProtocolError(f"batch {told.batch_seq} of {told.count} claims was not to come")
        header = Batch(self.grant_id, told.batch_seq, told.root, told.count, told.issued_at)
        self.batches[header.batch_seq] = BatchRecord(header, tuple(self.waiting))
        self.waiting.clear()

    def _take_signature(self, told: frames.Signed) -> None:
        batch = self.batches.get(told.batch_seq)
        if batch is None:
            raise ProtocolError(f"a signature of batch {told.batch_seq}, which isn't there")
        # A second one can follow a crash: the same digest was signed again, and the first signature stands.
        batch.signature = batch.signature or told.signature


def replay(journal: Sequence[Frame]) -> JournalState:
    """The state after these frames, from the journal's beginning."""
    state = JournalState()
    for frame in journal:
        state.apply(frame)
    return state


def batch_root(batch: BatchRecord) -> bytes:
    """The root recomputed from the batch's leaves."""
    return merkle.root([claim.leaf(batch.header.grant_id).struct_hash() for claim in batch.claims])
