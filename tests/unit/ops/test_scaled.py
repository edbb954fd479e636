"""What people are told of elastic spares: by `edgedrop status`, by `edgedrop plan`, by the comparison of journals."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from infra import elastic, epochs
from infra.elastic import Held, Said
from infra.epochs import Recorded
from infra.ops import plan as planning
from infra.ops.agreement import GrantSaid, LedgerSaid, NodeSaid, Seen, compare
from infra.ops.scaled import Scaled, scaled
from tests.elastic_drop import elastic_file, elastic_plan

SPARE = "quay-spare2"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


def test_before_the_hub_ever_looked(tmp_path: Path) -> None:
    (told,) = scaled(elastic_plan(tmp_path))
    assert told.words() == ("quay: none of 2 up; 0.00 of 6 spare-hours spent, 6.00 left; edgedrop autoscale never ran")


def test_what_is_up_what_it_costs_what_was_decided_and_what_is_in_the_way(tmp_path: Path) -> None:
    plan = elastic_plan(tmp_path)
    held = Held().began([SPARE], 1_800_000_000.0, 4, "busy").moved([SPARE], "up")
    said = Said(1_800_003_000.0, 1, "idle", "2 % of 192 hands were busy over 10 s")
    held = msgspec.structs.replace(held, said=said, trouble="quay-spare2 should go and can't be closed out")
    elastic.put("harbour-lights", "quay", held)
    (one,) = scaled(plan)
    told = Scaled(one.geo, one.names, one.scale, one.held, at_s=1_800_003_600.0)
    assert told.words() == (
        "quay: quay-spare2 up since 2027-01-15 08:00 UTC; 1.00 of 6 spare-hours spent, 5.00 left; "
        "2027-01-15 08:50 UTC 1 spares, since 2 % of 192 hands were busy over 10 s; "
        "in the way: quay-spare2 should go and can't be closed out"
    )
    assert told.data()["elastic"] == ["quay-spare2", "quay-spare3"]
    assert (told.data()["budget_spare_hours"], told.data()["spent_spare_hours"]) == (6.0, 1.0)
    assert told.data()["said"]["rule"] == "idle"


def test_a_plan_shows_what_is_kept_for_them_and_what_they_may_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    planning.plan(str(elastic_file(tmp_path)))
    shown = capsys.readouterr().out
    assert "quay-spare3 (elastic)" in shown
    assert "1 to 3 spares" in shown
    assert "for 6 spare-hours in all" in shown


def test_one_that_is_gone_is_no_difference_and_what_it_sold_counts(tmp_path: Path) -> None:
    kept = elastic_plan(tmp_path).geographies[0].elastic[0].kept
    epochs.put("harbour-lights", SPARE, Recorded(1, leases=kept, done=True))
    epochs.put("harbour-lights", SPARE, Recorded(2, leases=kept[:1], done=True))
    (tmp_path / "again").mkdir()
    plan = elastic_plan(tmp_path / "again")
    (spare,) = plan.stood
    first, second = spare.each()
    token = kept[0].start
    told = [(one.name, one.grant_id) for one in plan.nodes] + [(one.name, one.grant_id) for one in plan.cloud]
    there = {name: NodeSaid(ready=True, grant_id=grant, journal_seq=0) for name, grant in told}
    grants = tuple(
        GrantSaid(one.name, one.grant_id, 3, "h", int(one.grant_id == first.grant_id), 0, 0) for one in plan.grants
    )
    ledger = LedgerSaid(grants, frozenset({token}), frozenset({token}))
    report = compare(plan, Seen(nodes=there, ledger=ledger, chain={token: first.grant_id}))
    quay = report.geographies[0]
    assert (quay.claims, quay.redeemed, quay.nodes, report.agree) == (1, 1, 2, True)
    up = there | {SPARE: NodeSaid(ready=True, grant_id=second.grant_id, head="x", journal_seq=2)}
    (differs,) = compare(plan, Seen(nodes=up, ledger=ledger, chain={token: first.grant_id})).geographies[0].differences
    assert differs.startswith("quay-spare2's journal is at frame 2")
