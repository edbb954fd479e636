"""Where each claim of the journal stands in its file, so that a million of them fit a small box.

A claim takes a slot of 12 bytes in each of two tables (by claim id, by nullifier): a fingerprint and a place. A
fingerprint only says where to look: what answers is the frame read back from the file, so that two keys of one
fingerprint cost a read and can never be taken for each other.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from node_image.protocol import frames
from node_image.protocol.eip712 import Batch
from node_image.protocol.frames import Frame
from node_image.protocol.journal import BatchRecord, ClaimRecord, JournalState, Nullifier, nullifier

PART_BITS = 8
PARTS = 1 << PART_BITS  # grown one by one: no claim waits for a million to move
PART_MASK = PARTS - 1
SLOTS = 16
PRINT = 0xFFFFFFFF
AT_BITS = 40  # a journal of a terabyte; above them a claim's index in its batch
AT = (1 << AT_BITS) - 1

type Hash = Callable[[object], int]


class Journal(Protocol):
    """What reads frames back (JournalFile)."""

    def frames(self, at: int) -> Iterator[Frame]:
        """The frames from byte `at` on."""


class Table:
    """A multimap from fingerprints to places (not 0): open addressing, linear probing, at most two thirds full."""

    def __init__(self) -> None:
        self._prints = [array("I", bytes(4 * SLOTS)) for _ in range(PARTS)]
        self._places = [array("Q", bytes(8 * SLOTS)) for _ in range(PARTS)]
        self._count = [0] * PARTS

    def __len__(self) -> int:
        return sum(self._count)

    def add(self, hashed: int, place: int) -> None:
        """One more place under this hash."""
        part = hashed & PART_MASK
        self._count[part] += 1
        if 3 * self._count[part] > 2 * len(self._places[part]):
            self._grow(part)
        _put(self._prints[part], self._places[part], hashed >> PART_BITS & PRINT, place)

    def find(self, hashed: int) -> Sequence[int]:
        """All places that were added under this hash, and few others."""
        part, fingerprint = hashed & PART_MASK, hashed >> PART_BITS & PRINT
        places = self._places[part]
        mask = len(places) - 1
        slot = fingerprint & mask
        if not places[slot]:
            return ()
        prints, found = self._prints[part], []
        while place := places[slot]:
            if prints[slot] == fingerprint:
                found.append(place)
            slot = slot + 1 & mask
        return found

    def _grow(self, part: int) -> None:
        size = 2 * len(self._places[part])
        prints, places = array("I", bytes(4 * size)), array("Q", bytes(8 * size))
        for fingerprint, place in zip(self._prints[part], self._places[part], strict=True):
            if place:
                _put(prints, places, fingerprint, place)
        self._prints[part], self._places[part] = prints, places


def _put(prints: array[int], places: array[int], fingerprint: int, place: int) -> None:
    mask = len(places) - 1
    slot = fingerprint & mask
    while places[slot]:
        slot = slot + 1 & mask
    prints[slot], places[slot] = fingerprint, place


class BatchPlaces:
    """Batches by number: where the append of each begins, and its signature. Unsigned ones are kept whole."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begin, self._signed = array("Q"), array("Q")
        self._unsigned: dict[int, BatchRecord] = {}
        self._last: BatchRecord | None = None  # signed last: it is about to be answered
        self._grant_id = b""

    def __len__(self) -> int:
        return len(self._signed)

    def __getitem__(self, number: int) -> BatchRecord:
        if number in self._unsigned:
            return self._unsigned[number]
        if self._last and self._last.header.batch_seq == number:
            return self._last
        claims: list[ClaimRecord] = []
        at = begin = self._begin[number]
        for frame in self._journal.frames(begin):
            if isinstance(frame.told, frames.Header):
                break
            claims.append(record_of(frame, number, len(claims), at))
            at += len(frame.raw)
        header = frame.told
        signed = next(self._journal.frames(self._signed[number])).told
        if not isinstance(header, frames.Header) or not isinstance(signed, frames.Signed):
            raise TypeError(f"batch {number} is not where it was put")
        batch = Batch(self._grant_id, number, header.root, header.count, header.issued_at)
        return BatchRecord(batch, tuple(claims), signed.signature)

    def begun(self, claim: ClaimRecord) -> None:
        """A claim of the batch that comes next; its first one says where the append begins."""
        if claim.index == 0:
            self._begin.append(claim.at)

    def add(self, batch: BatchRecord) -> None:
        """The next one."""
        self._grant_id = batch.header.grant_id
        self._unsigned[len(self._signed)] = batch
        self._signed.append(0)

    def sign(self, number: int, signature: bytes, at: int) -> None:
        """Its SIGNATURE frame is at byte `at`; the first one stands."""
        if batch := self._unsigned.pop(number, None):
            self._signed[number] = at
            self._last = BatchRecord(batch.header, batch.claims, signature)

    def unsigned(self) -> list[BatchRecord]:
        """Those whose signature is not known."""
        return list(self._unsigned.values())

    def at(self, byte: int) -> int:
        """The number of the batch whose append has this byte, be its header still to come."""
        return bisect_right(self._begin, byte) - 1


class ClaimPlaces:
    """Claims by their id."""

    def __init__(self, journal: Journal, batches: BatchPlaces, hashed: Hash) -> None:
        self._journal, self._batches, self._hash = journal, batches, hashed
        self._table = Table()

    def __len__(self) -> int:
        return len(self._table)

    def get(self, claim_id: str) -> ClaimRecord | None:
        """The claim, read back from its frame."""
        for place in self._table.find(self._hash(claim_id)):
            at, index = place_of(place)
            frame = next(self._journal.frames(at))
            if isinstance(frame.told, frames.Claim) and frame.told.claim_id == claim_id:
                return record_of(frame, self._batches.at(at), index, at)
        return None

    def __contains__(self, claim_id: object) -> bool:
        return isinstance(claim_id, str) and self.get(claim_id) is not None

    def __getitem__(self, claim_id: str) -> ClaimRecord:
        if (found := self.get(claim_id)) is None:
            raise KeyError(claim_id)
        return found

    def __setitem__(self, claim_id: str, record: ClaimRecord) -> None:
        self._batches.begun(record)
        self._table.add(self._hash(claim_id), place(record))


class NullifierPlaces:
    """Nullifiers, by the claims that took them."""

    def __init__(self, journal: Journal, hashed: Hash) -> None:
        self._journal, self._hash = journal, hashed
        self._table = Table()

    def __contains__(self, nullifier: object) -> bool:
        return any(self._taken(place) == nullifier for place in self._table.find(self._hash(nullifier)))

    def __setitem__(self, nullifier: Nullifier, record: ClaimRecord) -> None:
        self._table.add(self._hash(nullifier), place(record))

    def _taken(self, place: int) -> Nullifier | None:
        told = next(self._journal.frames(place_of(place)[0])).told
        return nullifier(told) if isinstance(told, frames.Claim) else None


def place(record: ClaimRecord) -> int:
    """Byte and index in one number; never 0, since a journal begins with its GRANT frame."""
    return record.index << AT_BITS | record.at


def place_of(place: int) -> tuple[int, int]:
    """The byte and the index."""
    return place & AT, place >> AT_BITS


def record_of(frame: Frame, number: int, index: int, at: int) -> ClaimRecord:
    """The claim in a CLAIM frame."""
    told = frame.told
    if not isinstance(told, frames.Claim):
        raise TypeError(f"frame {frame.seq} is no claim")
    fields = (told.claim_id, told.tier, told.seq, told.to, told.slot, told.signature)
    return ClaimRecord(*fields, number, index, at, told.claim_key)


def compact_state(journal: Journal, hashed: Hash = hash) -> JournalState:
    """A state that keeps places instead of records. Python's `hash` is keyed anew in each process (SipHash)."""
    batches = BatchPlaces(journal)
    return JournalState(
        claims=ClaimPlaces(journal, batches, hashed), nullifiers=NullifierPlaces(journal, hashed), batches=batches
    )


class FramePlaces:
    """Where every STEPth frame begins: the tail reads from there."""

    STEP = 256

    def __init__(self) -> None:
        self._at = array("Q")

    def note(self, seq: int, at: int) -> None:
        """Frame `seq` begins at byte `at`."""
        if seq % self.STEP == 0:
            self._at.append(at)

    def near(self, seq: int) -> tuple[int, int]:
        """A byte at which a frame begins, and how many frames from there on `seq` comes."""
        return self._at[seq // self.STEP], seq % self.STEP
