"""Which release failed where is noted until it runs there."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import failures


def test_a_release_that_failed_is_noted_until_it_runs_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    failures.note("d", "r1", "n1", "does not stay up")
    failures.note("d", "r1", "n2", "not ready")
    failures.note("d", "r2", "n1", "not ready")
    assert {release: {node: one.why for node, one in told.items()} for release, told in failures.read("d").items()} == {
        "r1": {"n1": "does not stay up", "n2": "not ready"},
        "r2": {"n1": "not ready"},
    }
    failures.note("d", "r1", "n1", "")
    failures.note("d", "r2", "n1", "")
    failures.note("d", "r3", "n1", "")
    assert {release: set(told) for release, told in failures.read("d").items()} == {"r1": {"n2"}}
    failures.forget("d")
    assert failures.read("d") == {}
