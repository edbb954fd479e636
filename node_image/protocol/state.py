"""What a journal's frames add up to: leases, claims, batches, and the rules no frame may break. No I/O.

Where the records are kept is injected: in memory here (the ledger, tests), as places in the file in the signer, which
holds a million of them (node_image/signer/index.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from node_image.protocol import frames, merkle
from node_image.protocol.claim import Claim
from node_image.protocol.eip712 import Batch, Voucher, claim_hash
from node_image.protocol.errors import ProtocolError
from node_image.protocol.frames import NO_ADDRESS, Frame, Kind
from node_image.protocol.lease import Lease
from node_image.protocol.timing import Boot, Clock, Reading

NO_HEAD = bytes(32)

type Nullifier = tuple[int, bytes, int] | bytes
# A claim still to be decided, in a frame, or as it was given.
type Asked = Claim | frames.Claim | frames.Reserve | ClaimRecord


def nullifier(asked: Asked) -> Nullifier:
    """What redeems once: (tier, wallet, slot), or the claim key itself, whatever its tier."""
    return (asked.tier, asked.to, asked.slot) if asked.claim_key == NO_ADDRESS else asked.claim_key


def who(asked: Asked) -> tuple[int, bytes, int, bytes]:
    """What two claims of one claim_id must agree in to be one claim."""
    return asked.tier, asked.to, asked.slot, asked.claim_key


class ClaimRecord(msgspec.Struct, frozen=True, gc=False):
    """A claim as it was persisted; `batch_seq` and `index` say where its leaf stands, `at` its frame's first byte."""

    claim_id: str
    tier: int
    seq: int
    to: bytes
    slot: int
    signature: bytes
    batch_seq: int
    index: int
    at: int = 0
    claim_key: bytes = NO_ADDRESS

    def leaf(self, grant_id: bytes) -> Voucher:
        """The voucher's struct, the leaf of its batch."""
        return Voucher(grant_id, self.tier, self.seq, self.to, self.claim_key, self.slot, claim_hash(self.claim_id))


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch header with its claims; `signature` comes after the header is on disk."""

    header: Batch
    claims: tuple[ClaimRecord, ...]
    signature: bytes | None = None


class Claims(Protocol):
    """Claims by their id."""

    def get(self, claim_id: str, /) -> ClaimRecord | None:
        """The claim, if it was given a seq."""

    def __getitem__(self, claim_id: str, /) -> ClaimRecord: ...
    def __contains__(self, claim_id: object, /) -> bool: ...
    def __setitem__(self, claim_id: str, record: ClaimRecord, /) -> None: ...
    def __len__(self) -> int: ...


class Nullifiers(Protocol):
    """Which nullifiers are taken, and by what."""

    def __contains__(self, nullifier: object, /) -> bool: ...
    def __setitem__(self, nullifier: Nullifier, record: ClaimRecord, /) -> None: ...


class Batches(Protocol):
    """Batches by their number, which count from 0."""

    def __getitem__(self, number: int, /) -> BatchRecord: ...
    def __len__(self) -> int: ...
    def add(self, batch: BatchRecord) -> None:
        """The next one."""

    def sign(self, number: int, signature: bytes, at: int) -> None:
        """Its SIGNATURE frame, which begins at byte `at`; a later one changes nothing."""

    def unsigned(self) -> list[BatchRecord]:
        """Those whose signature is not known, in their order."""


class BatchDict(dict[int, BatchRecord]):
    """Batches in memory."""

    def add(self, batch: BatchRecord) -> None:
        """The next one."""
        self[batch.header.batch_seq] = batch

    def sign(self, number: int, signature: bytes, _at: int) -> None:
        """A second one can follow a crash: the same digest was signed again, and the first signature stands."""
        batch = self[number]
        self[number] = BatchRecord(batch.header, batch.claims, batch.signature or signature)

    def unsigned(self) -> list[BatchRecord]:
        """Those whose signature is not known."""
        return [batch for batch in self.values() if batch.signature is None]


@dataclass(slots=True)
class JournalState:
    """What the frames so far add up to. Changed by `apply` alone."""

    grant_id: bytes = b""
    key: bytes = b""
    head: bytes = NO_HEAD
    journal_seq: int = 0
    length: int = 0  # bytes
    leases: dict[int, Lease] = field(default_factory=dict)
    next_seq: dict[int, int] = field(default_factory=dict)
    claims: Claims = field(default_factory=dict[str, ClaimRecord])
    nullifiers: Nullifiers = field(default_factory=dict[Nullifier, ClaimRecord])
    batches: Batches = field(default_factory=BatchDict)
    waiting: list[ClaimRecord] = field(default_factory=list)  # CLAIM frames whose BATCH frame is still to come
    clock: Clock = field(default_factory=Clock)
    reserved: dict[str, frames.Reserve] = field(default_factory=dict)  # reserve vouchers not exchanged yet
    held: set[Nullifier] = field(default_factory=set)  # the nullifiers of those that hold a seq
    unsequenced: int = 0  # reserve vouchers ever given without a seq
    issued_at: int = 0  # the last batch's
    closed: frames.Close | None = None
    receivers: dict[str, bytes] = field(default_factory=dict)  # by claim id, whom its claim key named

    @property
    def next_batch(self) -> int:
        """The number of the next batch."""
        return len(self.batches)

    def unsigned(self) -> list[BatchRecord]:
        """Batches whose header is on disk and whose signature is not known: the same digest is signed again."""
        return self.batches.unsigned()

    def apply(self, frame: Frame) -> None:
        """Take one more frame, which was checked against the chain; ProtocolError when it breaks a rule."""
        if (frame.seq == 0) is not (frame.kind is Kind.GRANT):
            raise ProtocolError(f"frame {frame.seq}: a journal begins with its one GRANT frame")
        if self.waiting and frame.kind not in {Kind.CLAIM, Kind.BATCH}:
            raise ProtocolError(f"frame {frame.seq}: claims without their batch")
        if self.closed:
            raise ProtocolError(f"frame {frame.seq}: nothing follows a close-out")
        match frame.told:
            case frames.Claim() as claim:
                self._take_claim(claim)
            case frames.Grant(grant_id=grant_id, key=key):
                self.grant_id, self.key = grant_id, key
            case frames.Leases(document=document):
                self._take_leases(document.leases)
            case frames.Header() as header:
                self._take_batch(header)
            case frames.Signed() as signed:
                self._take_signature(signed)
            case rare:
                self._take_rare(rare)
        self.head, self.journal_seq, self.length = frame.head, frame.seq + 1, self.length + len(frame.raw)

    def _take_rare(self, told: frames.Time | frames.Vouch | frames.Reserve | frames.Close | frames.Receive) -> None:
        match told:
            case frames.Time():
                self._take_time(told)
            case frames.Reserve():
                self._take_reserve(told)
            case frames.Close():
                self._take_close(told)
            case frames.Receive():
                self._take_receive(told)
            case frames.Vouch():
                pass  # evidence: whether it holds was decided at the start that it vouched for

    def _take_leases(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            if self.leases.setdefault(lease.tier, lease) != lease:
                raise ProtocolError(f"tier {lease.tier} has another lease already; a lease never changes")
            self.next_seq.setdefault(lease.tier, 0)

    def _take_claim(self, told: frames.Claim) -> None:
        """I1 and I2, whatever wrote the frame: a seq is given once, in order, within its lease."""
        lease, once = self.leases.get(told.tier), nullifier(told)
        due = self._released(told) if told.claim_id in self.reserved else self.next_seq.get(told.tier)
        if lease is None or told.seq != due or told.seq >= lease.quota:
            raise ProtocolError(f"claim {told.claim_id}: seq {told.seq} of tier {told.tier} was not to be given")
        if told.claim_id in self.claims or once in self.nullifiers or once in self.held:
            raise ProtocolError(f"claim {told.claim_id}: given a second time")
        place = (self.next_batch, len(self.waiting), self.length, told.claim_key)
        record = ClaimRecord(told.claim_id, told.tier, told.seq, told.to, told.slot, told.signature, *place)
        self.waiting.append(record)
        self.claims[record.claim_id] = record
        self.nullifiers[once] = record
        self.next_seq[record.tier] = max(record.seq + 1, self.next_seq[record.tier])

    def _released(self, told: frames.Claim) -> int | None:
        """The seq that a reserve voucher held for this very claim, which is now exchanged; else the tier's next."""
        held = self.reserved.pop(told.claim_id)
        if who(held) != who(told):
            raise ProtocolError(f"claim {told.claim_id}: not the one that was reserved")
        self.held.discard(nullifier(held))
        return self.next_seq.get(told.tier) if held.seq is None else held.seq

    def _take_reserve(self, told: frames.Reserve) -> None:
        if told.claim_id in self.claims or told.claim_id in self.reserved:
            raise ProtocolError(f"claim {told.claim_id}: given a second time")
        self.reserved[told.claim_id] = told
        if told.seq is None:
            self.unsequenced += 1
            return
        lease, once = self.leases.get(told.tier), nullifier(told)
        if lease is None or told.seq != self.next_seq[told.tier] or told.seq >= lease.quota:
            raise ProtocolError(f"claim {told.claim_id}: seq {told.seq} of tier {told.tier} was not to be reserved")
        if once in self.nullifiers or once in self.held:
            raise ProtocolError(f"claim {told.claim_id}: given a second time")
        self.held.add(once)
        self.next_seq[told.tier] = told.seq + 1

    def _take_time(self, told: frames.Time) -> None:
        """The rules of timing.py, again by whoever reads the journal."""
        if told.command:
            self.clock = self.clock.lowered(told.floor_ms, self.issued_at)
            return
        readings = [Reading(one.source, one.lo_ms, one.hi_ms, Boot(one.boot_id, one.boot_ms)) for one in told.readings]
        self.clock = self.clock.take(readings)
        if self.clock.floor_ms != told.floor_ms:
            raise ProtocolError(f"the clock's floor is {self.clock.floor_ms} ms, the frame says {told.floor_ms}")

    def _take_close(self, told: frames.Close) -> None:
        """Counts all that was given: signed, reserved or never answered."""
        if told.high_seqs != self.high_seqs(len(told.high_seqs)) or len(told.high_seqs) <= max(self.leases, default=-1):
            raise ProtocolError("a close-out that does not count what was given")
        self.closed = told

    def _take_receive(self, told: frames.Receive) -> None:
        """Once a claim: of two receivers nobody could say which one the relayer takes to the chain."""
        claim = self.claims.get(told.claim_id)
        if claim is None or claim.claim_key == NO_ADDRESS or told.claim_id in self.receivers:
            raise ProtocolError(f"claim {told.claim_id}: a receiver that no claim key was to name")
        self.receivers[told.claim_id] = told.receiver

    def high_seqs(self, tiers: int) -> tuple[int, ...]:
        """Each tier's next seq: every seq below it may be somebody's, signed, reserved or never answered."""
        return tuple(self.next_seq.get(tier, 0) for tier in range(tiers))

    def _take_batch(self, told: frames.Header) -> None:
        if told.batch_seq != self.next_batch or not 0 < told.count == len(self.waiting):
            raise ProtocolError(f"batch {told.batch_seq} of {told.count} claims was not to come")
        if told.issued_at < max(self.issued_at, self.clock.floor_ms // 1000):
            raise ProtocolError(f"batch {told.batch_seq} is issued before the time that was already known")
        self.issued_at = told.issued_at
        header = Batch(self.grant_id, told.batch_seq, told.root, told.count, told.issued_at)
        self.batches.add(BatchRecord(header, tuple(self.waiting)))
        self.waiting.clear()

    def _take_signature(self, told: frames.Signed) -> None:
        if told.batch_seq >= self.next_batch:
            raise ProtocolError(f"a signature of batch {told.batch_seq}, which isn't there")
        self.batches.sign(told.batch_seq, told.signature, self.length)


def replay(journal: Iterable[Frame]) -> JournalState:
    """The state after these frames, from the journal's beginning."""
    state = JournalState()
    for frame in journal:
        state.apply(frame)
    return state


def batch_root(batch: BatchRecord) -> bytes:
    """The root recomputed from the batch's leaves."""
    return merkle.root([claim.leaf(batch.header.grant_id).struct_hash() for claim in batch.claims])
