"""The hub's record of its elastic spares: what they cost, and that it is on the disk."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from infra import elastic
from infra.elastic import Held, Said

TWO = Held().began(["quay-spare2", "quay-spare3"], 100.0, 7, "busy")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    return tmp_path


def test_a_spare_costs_from_before_it_comes_until_after_it_is_gone() -> None:
    assert TWO.spent_s(160.0) == 120.0
    one = TWO.moved(["quay-spare3"], "gone", to_s=130.0)
    assert one.spent_s(160.0) == 60.0 + 30.0
    assert one.changed == (130.0, False)
    assert TWO.changed == (100.0, True)
    assert Held().changed == (float("-inf"), False)


def test_one_that_comes_again_begins_anew_and_what_is_gone_stays_as_it_was() -> None:
    again = TWO.moved(["quay-spare2"], "gone", to_s=130.0).began(["quay-spare2"], 200.0, 9, "busy")
    up = again.moved(["quay-spare2"], "up")
    assert [(one.node, one.stage, one.to_s) for one in up.stints] == [
        ("quay-spare2", "gone", 130.0),
        ("quay-spare3", "coming", None),
        ("quay-spare2", "up", None),
    ]
    assert (up.at("up"), up.at("coming")) == (("quay-spare2",), ("quay-spare3",))


def test_it_is_read_as_it_was_kept_and_forgotten_with_the_drop(home: Path) -> None:
    held = msgspec.structs.replace(TWO, said=Said(100.0, 3, "busy", "90 % of 128 hands"), trouble="the ledger")
    elastic.put("lights-7", "quay", held)
    elastic.put("lights-7", "mole", Held())
    assert elastic.of("lights-7", "quay") == held
    assert elastic.of("other", "quay") == Held()
    elastic.forget("lights-7")
    assert elastic.of("lights-7", "quay") == Held()
    assert not list((home / "hub").rglob("*.json"))
