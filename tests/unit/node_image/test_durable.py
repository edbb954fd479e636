from pathlib import Path

import pytest

from node_image import durable


def test_it_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "taken.json"
    path.write_bytes(b"old")
    durable.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_where_it_cannot_be_written_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "taken.json"
    path.write_bytes(b"old")
    (tmp_path / "taken.json.part").mkdir()  # as a full disk would: what is written first can't be
    with pytest.raises(OSError, match="taken"):
        durable.write(path, b"new")
    assert path.read_bytes() == b"old"
