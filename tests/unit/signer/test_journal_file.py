"""A torn tail is cut off and counted; damage is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from node_image.protocol import journal
from node_image.protocol.errors import JournalDamaged
from node_image.protocol.journal import Frame, Kind
from node_image.signer.journal_file import DiskFault, JournalFile


def written(path: Path) -> list[Frame]:
    """A journal of three frames, each an append of its own."""
    frames: list[Frame] = []
    head = journal.NO_HEAD
    for seq in range(3):
        frame = journal.encode(Kind.SIGNATURE, seq, {"batch_seq": seq, "signature": bytes(65)}, head)
        frames.append(frame)
        head = frame.head
    path.write_bytes(b"".join(frame.raw for frame in frames))
    return frames


def test_a_torn_tail_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "j"
    frames = written(path)
    path.write_bytes(path.read_bytes() + frames[-1].raw[:20])
    file = JournalFile(path)
    assert (tuple(file.replay()), file.torn) == (tuple(frames), 20)
    assert path.stat().st_size == sum(len(frame.raw) for frame in frames)


def test_claims_without_their_batch_are_torn_too(tmp_path: Path) -> None:
    path = tmp_path / "j"
    head = written(path)[-1].head
    told = {"claim_id": "c", "tier": 0, "seq": 0, "to": bytes(20), "slot": 0, "signature": bytes(65)}
    claim = journal.encode(Kind.CLAIM, 3, told, head)
    path.write_bytes(path.read_bytes() + claim.raw)
    file = JournalFile(path)
    assert len(tuple(file.replay())) == 3
    assert file.torn == len(claim.raw)


def test_damage_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "j"
    frames = written(path)
    data = bytearray(path.read_bytes())
    data[len(frames[0].raw) + 20] ^= 1
    path.write_bytes(data)
    file = JournalFile(path)
    with pytest.raises(JournalDamaged) as damage:
        tuple(file.replay())
    assert damage.value.offset == len(frames[0].raw)


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    frame = journal.encode(Kind.SIGNATURE, 0, {"batch_seq": 0, "signature": bytes(65)}, journal.NO_HEAD)
    file = JournalFile(tmp_path / "new" / "j")
    file.append(frame.raw)
    file.flush()
    file.sync()
    file.close()
    assert tuple(JournalFile(tmp_path / "new" / "j").replay()) == (frame,)


def test_one_process_has_it_open(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "j")
    with pytest.raises(DiskFault, match="another process has the journal open"):
        JournalFile(tmp_path / "j")
    file.close()
    JournalFile(tmp_path / "j").close()


def test_rewind_cuts_off_what_no_sync_confirmed(tmp_path: Path) -> None:
    one, two = written(tmp_path / "other")[:2]
    file = JournalFile(tmp_path / "j")
    file.append(one.raw)
    file.flush()
    file.sync()
    file.append(two.raw)
    file.flush()
    file.rewind()
    assert (tmp_path / "j").read_bytes() == one.raw
    assert not (tmp_path / "probe").exists()
    file.append(two.raw)
    file.flush()
    file.sync()
    file.close()
    assert tuple(JournalFile(tmp_path / "j").replay()) == (one, two)


def test_frames_are_read_back_from_any_of_them_on_written_or_not(tmp_path: Path) -> None:
    frames = written(tmp_path / "other")
    file = JournalFile(tmp_path / "j")
    at = [0]
    for frame in frames:
        at.append(at[-1] + len(frame.raw))
        file.append(frame.raw)
        if frame.seq == 1:
            file.flush()  # the third waits in memory
    for seq in range(4):
        assert list(file.raws(at[seq])) == [frame.raw for frame in frames[seq:]]
        assert list(file.frames(at[seq])) == frames[seq:]


def test_a_frame_that_changed_on_disk_is_not_read_back(tmp_path: Path) -> None:
    frames = written(tmp_path / "j")
    file = JournalFile(tmp_path / "j")
    data = bytearray((tmp_path / "j").read_bytes())
    data[-40] ^= 1
    (tmp_path / "j").write_bytes(data)
    with pytest.raises(JournalDamaged):
        next(file.frames(len(frames[0].raw) + len(frames[1].raw)))
