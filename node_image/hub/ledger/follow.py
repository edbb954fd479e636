"""One grant's journal as the ledger follows it: frames against the chain, batches against the key. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from node_image.protocol import frames
from node_image.protocol.eip712 import digest
from node_image.protocol.errors import ProtocolError
from node_image.protocol.journal import BatchRecord, Frame, JournalState, batch_root, decode
from node_image.protocol.receiver import wrong_with
from node_image.protocol.signature import recover


class Gap(Exception):
    """The message begins after the frame that is wanted next."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the announcement said of a grant; `prices` in wei by tier, `starts` each lease's first token id."""

    drop: str
    grant_id: bytes
    key: bytes
    separator: bytes
    prices: dict[int, int]
    starts: dict[int, int]


@dataclass(slots=True)
class Follower:
    """The journal so far. After a ProtocolError it is not used again: the grant is in quarantine."""

    grant: Grant
    state: JournalState = field(default_factory=JournalState)
    heads: list[bytes] = field(default_factory=lambda: [bytes(32)])

    def take(self, first: int, data: bytes) -> tuple[Frame, ...]:
        """The new frames of a message, none for one that came before; Gap, or ProtocolError with the reason."""
        if first > self.state.journal_seq:
            raise Gap(f"frame {self.state.journal_seq} is wanted, {first} came")
        found = [frame for _, frame in decode(data, head=self.heads[first], seq=first)]
        if sum(len(frame.raw) for frame in found) != len(data):
            raise ProtocolError("the message ends in half a frame")
        if any(frame.head != self.heads[frame.seq + 1] for frame in found if frame.seq < self.state.journal_seq):
            raise ProtocolError("two chains from one head: the message repeats frames that are not those we hold")
        new = tuple(frame for frame in found if frame.seq >= self.state.journal_seq)
        for frame in new:
            self._apply(frame)
        return new

    def _apply(self, frame: Frame) -> None:
        self.state.apply(frame)
        self.heads.append(frame.head)
        match frame.told:
            case frames.Grant() as told:
                self._same_grant(told)
            case frames.Leases(document=document):
                self._same_leases(document)
            case frames.Header(batch_seq=number):
                self._same_root(self.state.batches[number])
            case frames.Signed() as told:
                self._same_key(told)
            case frames.Receive() as told:
                self._same_claim_key(told)

    def _same_grant(self, told: frames.Grant) -> None:
        if (told.grant_id, told.key) != (self.grant.grant_id, self.grant.key):
            raise ProtocolError("the journal is of another grant or key than was announced")

    def _same_leases(self, document: frames.LeaseList) -> None:
        for lease in document.leases:
            if self.grant.starts.get(lease.tier) != lease.start:
                raise ProtocolError(f"the lease in tier {lease.tier} is not the one that was announced")

    def _same_root(self, batch: BatchRecord) -> None:
        if batch_root(batch) != batch.header.root:
            raise ProtocolError(f"batch {batch.header.batch_seq}: its root is not that of its claims")

    def _same_claim_key(self, told: frames.Receive) -> None:
        claim = self.state.claims[told.claim_id]
        if wrong := wrong_with(self.state, self.grant.separator, claim, told.receiver, told.signature):
            raise ProtocolError(f"claim {told.claim_id}: {wrong}")

    def _same_key(self, told: frames.Signed) -> None:
        batch = self.state.batches[told.batch_seq]
        if recover(digest(self.grant.separator, batch.header.struct_hash()), told.signature) != self.grant.key:
            raise ProtocolError(f"batch {told.batch_seq} is not signed by the grant's key")
