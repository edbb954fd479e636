"""A rolling re-image as it is told: what is refused before it begins, and what stands where at its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import failures, overrides
from infra.errors import EdgedropError
from infra.ops.drops import open_drop, plan_of_file
from infra.ops.reimaging import rolled
from infra.ops.reimaging.cargo import Source
from infra.ops.reimaging.looking import Looked
from infra.ops.reimaging.rolled import roll
from infra.ops.reimaging.rolling import Pace
from infra.stacks import Stack
from tests.unit.ops.reimaging.a_fleet import DROP, MOLE, QUAY, World, fleet

NOT_YET = Looked(release="e" * 64)
Run = Callable[..., tuple[dict[str, Any], str, EdgedropError | None]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: World) -> Run:
    """What was told as JSON, what was said, and the error that it ended with."""
    assert world.taken == []
    path, file = open_drop(DROP)
    plan = plan_of_file(path, file, stack=DROP, slot=17)

    def typed(quay: Looked, mole: Looked, **more: Any) -> tuple[dict[str, Any], str, EdgedropError | None]:
        jobs = fleet(tmp_path, **more)
        cargo = jobs[QUAY].cargo
        stack = Stack(DROP, "drop", 17, lab="lab", drop=DROP, drop_stack=DROP)
        source = Source(stack, plan, cargo.release, b"", cargo.source)
        monkeypatch.setattr(rolled, "look", lambda _jobs: {QUAY: quay, MOLE: mole})
        fault = None
        try:
            roll(source, list(jobs.values()), Pace(1, 3), yes=True, as_json=True)
        except EdgedropError as found:
            fault = found
        said = capsys.readouterr()
        return json.loads(said.out or "{}"), said.err, fault

    return typed


def test_the_answer_is_one_line_with_each_nodes_part(run: Run, world: World) -> None:
    told, said, fault = run(NOT_YET, NOT_YET)
    assert fault is None
    assert [(one["node"], one["did"], one["release"]) for one in told["nodes"]] == [
        (QUAY, "done", told["release"]),
        (MOLE, "done", told["release"]),
    ]
    assert told["stopped"] is None
    assert f"{QUAY} first; then 1 more, at most 3 at once" in said
    assert world.taken == [QUAY, MOLE]


def test_a_failure_is_told_beside_what_stands_where(run: Run, world: World) -> None:
    world.faults[QUAY] = EdgedropError("it does not stay up", "look")
    told, _, fault = run(NOT_YET, NOT_YET)
    assert fault is not None
    assert told["stopped"] == fault.message == f"stopped at {QUAY}: it does not stay up"
    assert [one["did"] for one in told["nodes"]] == ["failed", "not begun"]


def test_what_failed_on_a_box_or_by_our_record_is_not_begun_again_without_again(run: Run, world: World) -> None:
    told, _, fault = run(replace(NOT_YET, bad="not ready"), NOT_YET)
    assert fault is not None
    assert (told, "failed on quay-appliance1 before: not ready" in fault.message, "--again" in fault.hint) == (
        {},
        True,
        True,
    )
    _, _, fault = run(replace(NOT_YET, bad="not ready"), NOT_YET, again=True)
    assert (fault, world.taken) == (None, [QUAY, MOLE])
    failures.note(DROP, run(NOT_YET, NOT_YET)[0]["release"], "pier-appliance1", "does not stay up")
    _, _, fault = run(NOT_YET, NOT_YET)
    assert fault is not None
    assert "failed on pier-appliance1 before: does not stay up" in fault.message


def test_one_that_a_killed_run_took_is_first(run: Run, world: World) -> None:
    run(NOT_YET, replace(NOT_YET, begun=True))
    assert world.taken == [MOLE, QUAY]


def test_what_is_left_out_counts_as_the_others_do(run: Run, world: World) -> None:
    told, _, _ = run(Looked(well=True), NOT_YET, hours=4)
    found = overrides.read(DROP, QUAY)
    assert found is not None
    assert (found.release, world.taken) == (told["release"], [MOLE])
    run(Looked(well=True), NOT_YET, hours=8)
    assert overrides.read(DROP, QUAY) == found, "its time is not made longer by the way"
    run(Looked(well=True), NOT_YET)
    assert overrides.read(DROP, QUAY) is None
