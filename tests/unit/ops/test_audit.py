"""`edgedrop audit`: an act is a row with what came of it; a changed file ends it with 6."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import audit, stacks
from infra.errors import NotVerified
from infra.ops.__main__ import main
from infra.ops.shipping import Held, judge
from node_image.protocol import trail


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str, str]]:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgedrop", "audit", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


def test_what_was_done_and_what_was_cut_off(typed: Callable[..., tuple[object, str, str]]) -> None:
    with audit.audited("failover", "lights", ["quay-appliance1"], "it lies"):
        pass
    audit.append("drain", "lights", ["quay-spare1"], "", audit.BEGUN)
    audit.append("drain", "other", ["pier-spare1"], "", audit.BEGUN)
    code, out, _ = typed("lights")
    assert code == 0
    (row,) = (line for line in out.splitlines() if "failover" in line)
    assert "done" in row
    assert "it lies" in row
    assert "begun, and cut off" in out
    assert "pier-spare1" not in out
    assert "4 lines, each signed" in out
    assert [one["what"] for one in json.loads(typed("--json")[1])] == ["failover", "failover", "drain", "drain"]


def test_a_changed_trail_ends_with_6(typed: Callable[..., tuple[object, str, str]], tmp_path: Path) -> None:
    audit.append("drain", "lights", ["quay-spare1"], "", audit.BEGUN)
    audit.append("drain", "lights", ["quay-spare1"], "", audit.DONE)
    path = tmp_path / "audit" / "trail.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    code, _, err = typed()
    assert code == 6
    assert "line 1: it does not follow" in err
    assert "hint:" in err


def test_without_a_hub_the_trail_waits(typed: Callable[..., tuple[object, str, str]]) -> None:
    stacks.save(stacks.Stack("lab", "lab", 239))
    audit.append("drain", "lights", ["quay-spare1"], "", audit.BEGUN)
    code, out, err = typed()
    assert (code, "1 lines, each signed" in out) == (0, True)
    assert "the audit trail goes to lab later" in err
    assert audit.shipped("lab") == 0


def test_a_trail_that_was_cut_short_is_found_by_the_ledgers_copy() -> None:
    lines = [b"one", b"two", b"three"]
    held = Held(tuple(trail.digest(line) for line in lines[:2]))
    assert judge("lab", held, lines) == "lab: its ledger holds 2 of them"
    with pytest.raises(NotVerified, match="1 lines that this trail has not"):
        judge("lab", held, lines[:1])
