"""What stands on record of a node after its re-image: which release counts, and what failed there."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import failures, overrides
from infra.errors import EdgedropError
from infra.ops.reimaging.one import _record, judge
from infra.overrides import Override
from infra.provision.slots import State
from tests.unit.ops.reimaging.a_fleet import DROP, QUAY, fleet

EARLIER, OTHER = "e" * 64, "f" * 64


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


def ended(release: str, phase: str = "rolled back") -> State:
    why = "" if phase == "committed" else "mint does not stay up"
    return State(phase, "a", "b", release, 1, None, [], why)


def earlier() -> Override:
    return overrides.issue(DROP, QUAY, EARLIER, "", 3600)


def test_a_release_that_is_committed_counts_and_failed_nowhere(tmp_path: Path) -> None:
    job = fleet(tmp_path, hours=4)[QUAY]
    failures.note(DROP, job.release, QUAY, "before")
    overrides.put(DROP, QUAY, job.override)
    _record(job, ended(job.release, "committed"), earlier())
    assert overrides.read(DROP, QUAY) == job.override
    assert failures.read(DROP) == {}


@pytest.mark.parametrize("had_one", [True, False])
def test_one_that_was_taken_back_does_not_count_and_what_did_counts_again(tmp_path: Path, *, had_one: bool) -> None:
    job, before = fleet(tmp_path, hours=4)[QUAY], earlier() if had_one else None
    overrides.put(DROP, QUAY, job.override)
    _record(job, ended(job.release), before)
    assert overrides.read(DROP, QUAY) == before
    assert failures.read(DROP)[job.release][QUAY].why == "mint does not stay up"


def test_the_wanted_one_that_was_taken_back_leaves_what_counted_before(tmp_path: Path) -> None:
    job, before = fleet(tmp_path)[QUAY], earlier()
    overrides.put(DROP, QUAY, job.override)
    _record(job, ended(job.release), before)
    assert overrides.read(DROP, QUAY) == before


def test_one_that_nobody_saw_fail_does_not_count_from_the_next_time_on(tmp_path: Path) -> None:
    job = fleet(tmp_path, hours=4)[QUAY]
    overrides.put(DROP, QUAY, job.override)
    _record(job, ended(OTHER))
    assert overrides.read(DROP, QUAY) == job.override
    _record(job, ended(job.release))
    assert overrides.read(DROP, QUAY) is None
    assert set(failures.read(DROP)) == {OTHER, job.release}


def test_an_end_that_was_not_wanted_is_told(tmp_path: Path) -> None:
    job = fleet(tmp_path)[QUAY]
    judge(job, ended(job.release, "committed"))
    with pytest.raises(EdgedropError, match="mint does not stay up; the old one is back"):
        judge(job, ended(job.release))
    with pytest.raises(EdgedropError, match="went on with release ffffffffffff, which was begun before"):
        judge(job, ended(OTHER, "committed"))
