"""What a journal holds and where it goes wrong, for a person to decide on: reads all that can be read. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from node_image.protocol import journal
from node_image.protocol.eip712 import digest
from node_image.protocol.errors import JournalDamaged, NotVerified, ProtocolError
from node_image.protocol.facts import DropFacts
from node_image.protocol.frames import Header, Signed
from node_image.protocol.journal import Frame, JournalState, batch_root
from node_image.protocol.signature import recover


class Standing(StrEnum):
    """A journal beside a witness, who stored a (frames, head) of it earlier: the ledger, a front, a peer."""

    SAME = "same"
    AHEAD = "ahead"  # frames that the witness has not seen yet
    BEHIND = "behind"  # an older copy: what it signed since is not in it
    OTHER = "other"  # another history: two journals of one grant


@dataclass(frozen=True, slots=True)
class Examined:
    """`frames` are those that verify; `damage` says what ends them before the journal's end, with `offset` its byte."""

    frames: tuple[Frame, ...]
    state: JournalState
    torn: int
    damage: str = ""
    offset: int = -1

    @property
    def whole(self) -> bool:
        """Whether a signer may start on it; a torn last append is cut off by the signer itself."""
        return not self.damage


def examine(data: bytes, facts: DropFacts | None = None) -> Examined:
    """Follow chain, rules, roots and (with the drop's facts) signatures until the first thing that is wrong."""
    frames: list[Frame] = []
    state = JournalState()
    offset = 0
    try:
        for offset, frame in journal.decode(data):  # noqa: B007  a broken rule is told with its frame's byte
            state.apply(frame)
            _judge(state, frame, facts)
            frames.append(frame)
        found = journal.scan(data)
    except JournalDamaged as fault:
        return Examined(tuple(frames), journal.replay(frames), 0, fault.reason, fault.offset)
    except ProtocolError as fault:
        return Examined(tuple(frames), journal.replay(frames), 0, str(fault), offset)
    return Examined(found.frames, journal.replay(found.frames), found.torn)


def beside(examined: Examined, frames: int, head: str) -> Standing:
    """How the journal stands to a witness that saw `frames` frames with `head` (hex) after them."""
    if frames > len(examined.frames):
        return Standing.BEHIND
    seen = examined.frames[frames - 1].head if frames else journal.NO_HEAD
    if seen.hex() != head.removeprefix("0x"):
        return Standing.OTHER
    return Standing.SAME if frames == len(examined.frames) else Standing.AHEAD


def _judge(state: JournalState, frame: Frame, facts: DropFacts | None) -> None:
    """What the fold takes as it is: a batch's root, and whose signature it carries."""
    match frame.told:
        case Header(batch_seq=number):
            batch = state.batches[number]
            if batch_root(batch) != batch.header.root:
                raise NotVerified(f"batch {number}: its root is not that of its claims")
        case Signed(batch_seq=number, signature=signature) if facts is not None:
            signed = digest(facts.domain().separator, state.batches[number].header.struct_hash())
            if recover(signed, signature) != state.key:
                raise NotVerified(f"batch {number}: its signature is not of the grant's key")
