"""A journal of 1,000 entries mutated at every byte: edit, insert, delete, swap, truncate.

With a witness every one must be found: damaged, behind, or another history. Without one a mutated journal may be whole
(cut between two appends it is an honest older copy), and then nothing may be signed on it.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

from node_image.protocol import merkle
from node_image.protocol.eip712 import grant_id
from node_image.protocol.errors import ProtocolError
from node_image.protocol.freshness import NO_HEAD, Freshness, Seen, judge
from node_image.protocol.journal import Frame, Kind, Reader, decode, encode, replay, scan
from node_image.protocol.rules import Result, decide, may_finish
from node_image.protocol.state import JournalState
from tests.chaos.outcome import Outcome
from tests.unit.protocol.world import FACTS, NOW, SEPARATOR, UNSEEN, at, claim

ENTRIES = int(os.environ.get("ENTRIES", "1000"))
BATCH = 8
TYPES = ("edit", "insert", "delete", "swap", "truncate")
ASKED = claim("mutated", 7)


@dataclass(frozen=True, slots=True)
class Original:
    """The journal, the place of each of its frames, and its heads."""

    data: bytes
    begins: tuple[int, ...]
    heads: tuple[bytes, ...]


@cache
def original(entries: int) -> Original:
    """`entries` frames, as a signer writes them."""
    state, raws, heads = JournalState(), list[bytes](), [NO_HEAD]

    def append(kind: Kind, payload: dict[str, object]) -> None:
        frame = encode(kind, len(raws), payload, state.head)
        state.apply(frame)
        raws.append(frame.raw)
        heads.append(frame.head)

    lease = {"tier": 0, "start": 1, "quota": entries, "not_before": NOW - 100, "redeem_by": NOW + 5000}
    append(Kind.GRANT, {"grant_id": grant_id(FACTS.drop, FACTS.node, 1), "key": bytes(20)})
    append(Kind.LEASE, {"document": {"leases": [lease]}, "envelope": b"{}"})
    while len(raws) + BATCH + 2 <= entries:
        for _ in range(BATCH):
            number = state.next_seq[0]
            told = {"claim_id": f"c{number}", "tier": 0, "seq": number, "to": number.to_bytes(20), "slot": 0}
            append(Kind.CLAIM, {**told, "signature": bytes(65)})
        leaves = [one.leaf(state.grant_id).struct_hash() for one in state.waiting]
        header = {"batch_seq": state.next_batch, "root": merkle.root(leaves), "count": BATCH, "issued_at": NOW}
        append(Kind.BATCH, header)
        append(Kind.SIGNATURE, {"batch_seq": state.next_batch - 1, "signature": bytes(65)})
    while len(raws) < entries:  # a batch that was signed again after a crash has two signatures
        append(Kind.SIGNATURE, {"batch_seq": 0, "signature": bytes(65)})
    begins = [0]
    for raw in raws:
        begins.append(begins[-1] + len(raw))
    return Original(b"".join(raws), tuple(begins), tuple(heads))


def mutated(made: Original, how: str, place: int) -> bytes:
    """The journal with one thing changed at this byte."""
    data = made.data
    match how:
        case "edit":
            return data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]
        case "insert":
            return data[:place] + bytes([place % 256]) + data[place:]
        case "delete":
            return data[:place] + data[place + 1 :]
        case "swap":
            return data[:place] + data[place + 1 : place + 2] + data[place : place + 1] + data[place + 2 :]
        case _:
            return data[:place]


def kept(made: Original, how: str, place: int) -> tuple[Frame, ...] | None:
    """The frames that a signer would start with; None where it does not start.

    The frames before the change are as they were, so that reading begins at the changed one; where that finds no
    damage (a length that reaches past the end looks like a cut), the whole journal is read as a signer reads it.
    """
    data = mutated(made, how, place)
    at = bisect_right(made.begins, place) - 1
    try:
        for _ in decode(data[made.begins[at] :], head=made.heads[at], seq=at):
            pass
        frames = scan(data).frames
        replay(frames)
    except ProtocolError:
        return None
    return frames


def found(made: Original, frames: Sequence[Frame] | None) -> bool:
    """With a witness who saw the whole: damaged, or behind, or another history."""
    if frames is None:
        return True
    heads = [NO_HEAD, *(frame.head for frame in frames)]
    seen = Seen("hub", len(made.heads) - 1, made.heads[-1])
    return judge(len(frames), heads.__getitem__, [seen]).final


def signs(frames: Sequence[Frame] | None) -> bool:
    """Without a witness: whether a claim, or a header left without its signature, would be signed, or a seq given."""
    if frames is None:
        return False
    state, standing = replay(frames), at(NOW, verdict=UNSEEN)
    decision = decide(state, FACTS, SEPARATOR, ASKED, standing)
    finishes = any(may_finish(state, {0}, standing) for _ in state.unsigned())
    return finishes or decision.result is Result.SIGN or decision.seq is not None


def try_places(entries: int, how: str, places: range) -> tuple[int, int, int]:
    """How many were tried, not found with a witness, and signed on without one."""
    made = original(entries)
    if how == "truncate":
        return try_cuts(made, places)
    tried = unfound = signed = 0
    for place in places:
        if how == "swap" and made.data[place] == made.data[min(place + 1, len(made.data) - 1)]:
            continue  # nothing is changed
        frames = kept(made, how, place)
        tried += 1
        unfound += not found(made, frames)
        signed += signs(frames)
    return tried, unfound, signed


def try_cuts(made: Original, places: range) -> tuple[int, int, int]:
    """The same reader, fed up to each cut in turn; what it has read changes at the end of an append alone."""
    reader, frames = Reader(), list[Frame]()
    fed = unfound = signed = 0
    wrong = (False, False)
    for place in places:
        new = list(reader.feed(made.data[fed:place]))
        frames, fed = frames + new, place
        reader.finish()
        if new or place == places.start:
            wrong = (not found(made, frames), signs(frames))
        unfound, signed = unfound + wrong[0], signed + wrong[1]
    return len(places), unfound, signed


def run() -> list[Outcome]:
    """Every byte, every kind of change."""
    made = original(ENTRIES)
    assert judge(ENTRIES, made.heads.__getitem__, [Seen("hub", ENTRIES, made.heads[-1])]).freshness is Freshness.FRESH
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return [_outcome(pool, how, len(made.data)) for how in TYPES]


def _chunks(length: int) -> Iterator[range]:
    step = 4096
    yield from (range(first, min(first + step, length)) for first in range(0, length, step))


def _outcome(pool: ProcessPoolExecutor, how: str, length: int) -> Outcome:
    chunks = list(_chunks(length))
    parts = list(pool.map(try_places, [ENTRIES] * len(chunks), [how] * len(chunks), chunks))
    tried, unfound, signed = (sum(column) for column in zip(*parts, strict=True))
    detail = f"{tried - unfound} of {tried} found with a witness; {signed} signed without one"
    return Outcome(f"{how} at every byte of {ENTRIES} entries", tried, unfound + signed, detail=detail)
