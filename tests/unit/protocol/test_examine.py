"""Every byte of a journal is one that matters: whatever is changed in it is found, with its place."""

from __future__ import annotations

import pytest

from node_image.protocol import journal
from node_image.protocol.examine import Standing, beside, examine
from node_image.protocol.journal import Kind
from tests.unit.protocol.world import FACTS, Grown, claim, grown

MADE = grown()
HEAD = MADE.state.head.hex()


def test_a_good_journal_is_whole() -> None:
    found = examine(MADE.data, FACTS)
    assert (found.whole, found.torn, found.state) == (True, 0, MADE.state)


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_a_bit_flipped_anywhere_is_found(bit: int) -> None:
    for at in range(len(MADE.data)):
        changed = MADE.data[:at] + bytes([MADE.data[at] ^ bit]) + MADE.data[at + 1 :]
        found = examine(changed, FACTS)
        assert not found.whole or beside(found, len(MADE.frames), HEAD) is Standing.BEHIND, at
        assert found.offset <= at


def test_a_byte_put_in_or_taken_out_anywhere_is_found() -> None:
    for at in range(len(MADE.data)):
        for changed in (MADE.data[:at] + b"\0" + MADE.data[at:], MADE.data[:at] + MADE.data[at + 1 :]):
            found = examine(changed, FACTS)
            assert not found.whole or beside(found, len(MADE.frames), HEAD) is Standing.BEHIND, at


def test_a_journal_cut_anywhere_is_behind_its_witness() -> None:
    for length in range(len(MADE.data)):
        found = examine(MADE.data[:length], FACTS)
        assert not found.whole or beside(found, len(MADE.frames), HEAD) is Standing.BEHIND, length


def test_two_frames_that_changed_places_are_found() -> None:
    raws = [frame.raw for frame in MADE.frames]
    for at in range(len(raws) - 1):
        swapped = [*raws[:at], raws[at + 1], raws[at], *raws[at + 2 :]]
        assert not examine(b"".join(swapped), FACTS).whole


def test_a_signature_of_another_key_is_found_with_the_drops_facts_alone() -> None:
    made = Grown()
    made.lease()
    made.claimed(claim("a"), 0)
    made.batch(signed=False)
    made.append(Kind.SIGNATURE, {"batch_seq": 0, "signature": bytes([1] * 64 + [27])})
    assert examine(made.data).whole
    assert "signature" in examine(made.data, FACTS).damage


def test_a_root_that_is_not_of_its_claims_is_found() -> None:
    made = Grown()
    made.lease()
    made.claimed(claim("a"), 0)
    made.append(Kind.BATCH, {"batch_seq": 0, "root": bytes(32), "count": 1, "issued_at": 1})
    assert "root" in examine(made.data).damage


def test_how_it_stands_to_a_witness() -> None:
    found, frames = examine(MADE.data), MADE.frames
    assert beside(found, len(frames), HEAD) is Standing.SAME
    assert beside(found, 2, frames[1].head.hex()) is Standing.AHEAD
    assert beside(found, 0, journal.NO_HEAD.hex()) is Standing.AHEAD
    assert beside(found, len(frames) + 1, HEAD) is Standing.BEHIND
    assert beside(found, len(frames), "00" * 32) is Standing.OTHER
