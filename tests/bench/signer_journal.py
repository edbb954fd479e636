"""A journal made longer by claims in full batches, as a signer writes them; nobody is to redeem these."""

from __future__ import annotations

from pathlib import Path

from node_image.protocol import frames, journal
from node_image.protocol.facts import DropFacts
from node_image.protocol.frames import Frame, Kind, Told
from node_image.protocol.journal import Reader
from node_image.protocol.state import replay
from node_image.signer.core import MAX_BATCH

SIGNATURE = bytes(65)  # checked by who takes a claim or a voucher, not by who reads its own journal


def grow(path: Path, facts: DropFacts, claims: int) -> None:
    """That many claims of tier 0 after the frames that are there, each for a wallet of its own."""
    there = list(Reader().feed(path.read_bytes()))
    last = there[-1]
    at = max(facts.opens_at, replay(there).clock.floor_ms // 1000 + 1)  # no batch is from before the time that is known
    with path.open("ab") as file:

        def put(kind: Kind, told: Told) -> Frame:
            frame = journal.follow(kind, last.seq + 1, told, last.head)
            file.write(frame.raw)
            return frame

        for number, begin in enumerate(range(0, claims, MAX_BATCH)):
            end = min(begin + MAX_BATCH, claims)
            for seq in range(begin, end):
                last = put(Kind.CLAIM, frames.Claim(f"before-{seq}", 0, seq, (seq + 1).to_bytes(20), 0, SIGNATURE))
            last = put(Kind.BATCH, frames.Header(number, bytes(32), end - begin, at))
            last = put(Kind.SIGNATURE, frames.Signed(number, SIGNATURE))
