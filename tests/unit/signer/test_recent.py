"""Vouchers at hand are those of the batches asked for last; the others come back from the journal the same."""

from __future__ import annotations

from pathlib import Path

from node_image.protocol.voucher import Vouchers
from node_image.signer.index import FramePlaces, compact_state
from node_image.signer.journal_file import JournalFile
from node_image.signer.recent import Recent
from tests.unit.protocol.world import FACTS, grown


def test_vouchers_are_the_same_from_memory_and_from_the_journal(tmp_path: Path) -> None:
    made = grown()
    (tmp_path / "j").write_bytes(made.data)
    file = JournalFile(tmp_path / "j")
    state = compact_state(file)
    for frame in file.replay():
        state.apply(frame)
    wanted = {
        record.claim_id: Vouchers(FACTS, made.state.leases, made.state.batches[number]).of(record.index)
        for number in range(2)
        for record in made.state.batches[number].claims
    }
    recent = Recent(FACTS, state, 1)
    for claim_id in ("a", "c", "b", "a"):
        assert recent.voucher(state.claims[claim_id]) == wanted[claim_id]
        assert list(recent._kept) == [state.claims[claim_id].batch_seq], "more was kept than may be"


def test_frames_are_found_near_a_place() -> None:
    places = FramePlaces()
    for seq in range(600):
        places.note(seq, seq * 10)
    assert [places.near(seq) for seq in (0, 255, 256, 599)] == [(0, 0), (0, 255), (2560, 0), (5120, 87)]
