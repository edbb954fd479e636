"""The compact index answers as a dict would, also where all fingerprints are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_image.protocol import frames, journal
from node_image.protocol.frames import Kind, Told
from node_image.protocol.journal import JournalState, Nullifier
from node_image.protocol.journal import nullifier as once
from node_image.protocol.lease import Lease
from node_image.signer.index import PART_BITS, PRINT, Table, compact_state
from node_image.signer.journal_file import JournalFile

WALLETS = 20
SEEN = PRINT << PART_BITS | (1 << PART_BITS) - 1  # what of a hash a table keeps
HASHES: list[Callable[[object], int]] = [hash, lambda _: 7, lambda key: hash(key) % 3]
# Batches of claims by a few buyers; in each, a claim's wallet, and whether the batch gets its signature at once.
BATCHES = st.lists(st.tuples(st.lists(st.integers(0, WALLETS - 1), min_size=1, max_size=6), st.booleans()), max_size=8)


class Both:
    """The same journal folded into dicts and into places."""

    def __init__(self, path: Path, hashed: Callable[[object], int]) -> None:
        self.file = JournalFile(path)
        self.plain, self.compact = JournalState(), compact_state(self.file, hashed)

    def append(self, kind: Kind, told: Told) -> None:
        frame = journal.follow(kind, self.plain.journal_seq, told, self.plain.head)
        self.file.append(frame.raw)
        self.plain.apply(frame)
        self.compact.apply(frame)

    def same(self, numbers: range) -> None:
        plain, compact = self.plain, self.compact
        for number in numbers:
            assert compact.claims.get(f"c{number}") == plain.claims.get(f"c{number}")
            assert (f"c{number}" in compact.claims) == (f"c{number}" in plain.claims)
            assert (nullifier(number) in compact.nullifiers) == (nullifier(number) in plain.nullifiers)
        assert [compact.batches[number] for number in range(compact.next_batch)] == [
            plain.batches[number] for number in range(plain.next_batch)
        ]
        assert (len(compact.claims), compact.unsigned()) == (len(plain.claims), plain.unsigned())
        assert (compact.next_seq, compact.head, compact.length) == (plain.next_seq, plain.head, plain.length)


def claim(number: int, seq: int) -> frames.Claim:
    """Every third is a claim key's."""
    who = number.to_bytes(20)
    to, key = (frames.NO_ADDRESS, who) if number % 3 == 2 else (who, frames.NO_ADDRESS)
    return frames.Claim(f"c{number}", 0, seq, to, 0, bytes(65), key)


def nullifier(number: int) -> Nullifier:
    return once(claim(number, 0))


@pytest.mark.parametrize("hashed", HASHES)
@settings(max_examples=12, deadline=None)
@given(BATCHES)
def test_the_index_answers_as_a_dict_would(
    hashed: Callable[[object], int], batches: list[tuple[list[int], bool]]
) -> None:
    with TemporaryDirectory() as folder:
        both = Both(Path(folder) / "j", hashed)
        both.append(Kind.GRANT, frames.Grant(bytes(32), bytes(20)))
        both.append(Kind.LEASE, frames.Leases(frames.LeaseList((Lease(0, 0, 1000, 0, 1),)), b""))
        for number, (wallets, signed) in enumerate(batches):
            for wallet in wallets:
                if f"c{wallet}" not in both.plain.claims:
                    seq = both.plain.next_seq[0]
                    both.append(Kind.CLAIM, claim(wallet, seq))
            if not both.plain.waiting:
                return
            both.same(range(0, WALLETS, 5))  # before its header: read from what waits to be written
            both.append(Kind.BATCH, frames.Header(number, bytes(32), len(both.plain.waiting), number))
            if signed:
                both.append(Kind.SIGNATURE, frames.Signed(number, bytes([number]) * 65))
            both.file.flush()
        both.same(range(WALLETS))
        again = compact_state(both.file, hashed)
        for frame in both.file.replay():
            again.apply(frame)
        both.compact = again
        both.same(range(WALLETS))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 2**63)), max_size=300), st.booleans())
def test_a_table_finds_every_place_under_its_hash(added: list[tuple[int, int]], crowded: bool) -> None:
    table = Table()
    pairs = [(hashed % 5 if crowded else hashed, place) for hashed, place in added]
    for hashed, place in pairs:
        table.add(hashed, place)
    assert len(table) == len(pairs)
    for hashed in {hashed for hashed, _ in pairs}:
        wanted = [place for other, place in pairs if other & SEEN == hashed & SEEN]
        assert sorted(table.find(hashed)) == sorted(wanted)
