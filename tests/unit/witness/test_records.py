"""What a site's witness was told stays, and never goes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.protocol.witness import Mark
from node_image.witness.records import Record, Records


def told(frames: int, head: int = 1, node: str = "quay-appliance1") -> Record:
    return Record.of("lights", node, 1, Mark(frames, frames // 3, bytes([head]) * 32))


def test_the_newest_is_kept_over_a_restart(tmp_path: Path) -> None:
    records = Records(tmp_path)
    assert [records.keep(told(5)), records.keep(told(9)), records.keep(told(7, node="quay-spare1"))] == [True] * 3
    again = Records(tmp_path)
    for node, frames in (("quay-appliance1", 9), ("quay-spare1", 7)):
        assert again.of(told(1, node=node).grant_id) == told(frames, node=node)
    assert again.of("0x" + "11" * 32) is None


@pytest.mark.parametrize(("frames", "head", "kept"), [(9, 1, True), (9, 2, False), (8, 1, False), (10, 2, True)])
def test_it_never_goes_back_and_takes_no_other_head(tmp_path: Path, frames: int, head: int, kept: bool) -> None:
    records = Records(tmp_path)
    records.keep(told(9))
    assert records.keep(told(frames, head)) is kept
    assert (
        records.of(told(9).grant_id)
        == (told(frames, head) if kept else told(9))
        == Records(tmp_path).of(told(9).grant_id)
    )


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 2)), max_size=8))
def test_whatever_is_told_it_holds_the_first_of_the_most(
    tmp_path_factory: pytest.TempPathFactory, marks: list[tuple[int, int]]
) -> None:
    folder, most = tmp_path_factory.mktemp("records"), (0, 0)
    for frames, head in marks:
        kept = Records(folder).keep(told(frames, head))  # a restart before each
        assert kept is (frames > most[0] or (frames, head) == most)
        most = (frames, head) if frames > most[0] else most
    held = Records(folder).of(told(1).grant_id)
    assert held == (told(*most) if marks else None)


def test_what_its_disk_did_not_take_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(5, "Input/output error")

    records = Records(tmp_path)
    records.keep(told(5))
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="Input/output"):
        records.keep(told(9))
    assert records.of(told(5).grant_id) == told(5) == Records(tmp_path).of(told(5).grant_id)


@pytest.mark.parametrize("data", [b"", b"{}", b"\0" * 90])
def test_a_damaged_one_is_none_and_is_told_anew(tmp_path: Path, data: bytes) -> None:
    Records(tmp_path).keep(told(9))
    (file,) = tmp_path.iterdir()
    file.write_bytes(data)
    again = Records(tmp_path)
    assert again.of(told(9).grant_id) is None
    assert again.keep(told(4))


def test_a_file_under_anothers_name_says_nothing_of_that_one(tmp_path: Path) -> None:
    Records(tmp_path).keep(told(9))
    (file,) = tmp_path.iterdir()
    other = told(1, node="quay-spare1").grant_id
    file.rename(tmp_path / f"{other}.json")
    assert Records(tmp_path).of(other) is None
