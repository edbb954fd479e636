"""`edgedrop journal check`: a verdict a person can act on, and 6 where no signer may start."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from infra.ops.__main__ import main
from tests.unit.protocol.world import FACTS, grown

MADE = grown()
SEEN = f"{len(MADE.frames)}:{MADE.state.head.hex()}"


def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, *options: str) -> object:
    """The exit code (None for a good end)."""
    (tmp_path / "a.journal").write_bytes(data)
    (tmp_path / "drop.json").write_bytes(msgspec.json.encode(FACTS))
    monkeypatch.setattr(sys, "argv", ["edgedrop", "journal", "check", str(tmp_path / "a.journal"), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_a_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    facts = ("--facts", str(tmp_path / "drop.json"))
    assert check(tmp_path, monkeypatch, MADE.data, *facts, "--witness", SEEN) == 0
    shown = capsys.readouterr().out
    assert "signed by the grant's key" in shown
    assert "good: a signer may start on it" in shown


def test_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(MADE.data)
    data[len(MADE.frames[0].raw) + 20] ^= 1
    assert check(tmp_path, monkeypatch, bytes(data), "--json") == 6
    shown = capsys.readouterr()
    assert json.loads(shown.out)["offset"] == len(MADE.frames[0].raw)
    assert "the hash chain breaks here" in shown.err
    assert "keep the file" in shown.err


def test_an_older_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    older = MADE.data[: -len(MADE.frames[-1].raw)]
    assert check(tmp_path, monkeypatch, older) == 0, "without a witness nobody can tell"
    assert check(tmp_path, monkeypatch, older, "--witness", SEEN) == 6
    assert "the witness saw 1 frames that are not in it" in capsys.readouterr().err


def test_another_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, monkeypatch, MADE.data, "--witness", f"3:{'0' * 64}") == 6
    assert "two journals of one grant" in capsys.readouterr().err


def test_an_unfinished_append_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, monkeypatch, MADE.data + b"\0\0") == 0
    assert "2 bytes of an unfinished append" in capsys.readouterr().out


@pytest.mark.parametrize("options", [("--witness", "12"), ("--facts", "/nowhere")])
def test_bad_options_are_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, str]) -> None:
    assert check(tmp_path, monkeypatch, MADE.data, *options) == 2


def test_no_such_file_is_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["edgedrop", "journal", "check", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
