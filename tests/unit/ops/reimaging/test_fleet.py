"""A rolling re-image's threads: who begins beside whom, what a failure stops, what is told of each in the end."""

from __future__ import annotations

import io
import queue
import signal
import threading
from pathlib import Path

import pytest
from rich.console import Console

from infra.errors import EdgedropError, Unreachable
from infra.ops.reimaging.fleet import Rolling
from infra.ops.reimaging.looking import Looked
from infra.ops.reimaging.rolling import Pace
from infra.ops.reimaging.shown import bars_of
from tests.unit.ops.reimaging.a_fleet import MOLE, QUAY, World, fleet

NOT_YET = Looked(release="old")


def roll(tmp_path: Path, looked: dict[str, Looked], pace: Pace) -> tuple[Rolling, str]:
    """A run to its end, and what was shown of it."""
    said = io.StringIO()
    with bars_of((QUAY, MOLE), Console(file=said)) as shown:
        rolling = Rolling(fleet(tmp_path), looked, pace, shown)
        rolling.run()
    return rolling, said.getvalue()


def test_all_are_done_and_each_line_names_its_node(world: World, tmp_path: Path) -> None:
    rolling, said = roll(tmp_path, {QUAY: NOT_YET, MOLE: NOT_YET}, Pace(1, 3))
    assert world.taken == [QUAY, MOLE]
    assert rolling.stopped is None
    assert [(one.node, one.geo, one.did) for one in rolling.ended()] == [(QUAY, "quay", "done"), (MOLE, "mole", "done")]
    assert {one.release for one in rolling.ended()} == {rolling.jobs[QUAY].release}
    assert f"{QUAY}: trying\n{QUAY}: done after 0 s\n{MOLE}: trying" in said


def test_a_batch_is_side_by_side(world: World, tmp_path: Path) -> None:
    world.beside = threading.Barrier(2)
    rolling, _ = roll(tmp_path, {QUAY: NOT_YET, MOLE: NOT_YET}, Pace(0, 2))
    assert [one.did for one in rolling.ended()] == ["done", "done"]


def test_a_canary_that_fails_stops_it_and_the_others_are_as_they_were(world: World, tmp_path: Path) -> None:
    world.faults[QUAY] = Unreachable("the cable is out", "plug it in")
    rolling, said = roll(tmp_path, {QUAY: NOT_YET, MOLE: NOT_YET}, Pace(1, 3))
    assert world.taken == [QUAY]
    assert isinstance(rolling.stopped, Unreachable)
    assert rolling.stopped.message == f"stopped at {QUAY}: the cable is out"
    assert rolling.stopped.hint == "plug it in; then the same command goes on"
    ended = {one.node: (one.did, one.release, one.why) for one in rolling.ended()}
    assert ended == {QUAY: ("failed", "old", "the cable is out"), MOLE: ("not begun", "old", "")}
    assert f"{QUAY}: failed: the cable is out" in said


def test_one_under_way_beside_a_failure_comes_to_its_end(world: World, tmp_path: Path) -> None:
    world.beside, world.faults[QUAY] = threading.Barrier(2), EdgedropError("no", "look")
    rolling, _ = roll(tmp_path, {QUAY: NOT_YET, MOLE: NOT_YET}, Pace(0, 2))
    assert [one.did for one in rolling.ended()] == ["failed", "done"]
    assert rolling.stopped is not None


def test_what_is_well_is_left_out(world: World, tmp_path: Path) -> None:
    rolling, _ = roll(tmp_path, {QUAY: Looked(well=True), MOLE: NOT_YET}, Pace(1, 3))
    assert world.taken == [MOLE]
    assert [one.did for one in rolling.ended()] == ["was done", "done"]


def test_a_node_whose_neighbour_does_not_come_back_is_not_taken(world: World, tmp_path: Path) -> None:
    world.away = {"mole-spare1"}
    rolling, _ = roll(tmp_path, {QUAY: NOT_YET, MOLE: NOT_YET}, Pace(1, 3))
    assert world.taken == [QUAY]
    assert rolling.stopped is not None
    assert f"{MOLE} is not taken while mole-spare1 of its geography is not in service" in rolling.stopped.message
    assert [one.did for one in rolling.ended()] == ["done", "not begun"]


def test_what_is_nobodys_fault_but_ours_is_not_hidden(world: World, tmp_path: Path) -> None:
    world.faults[QUAY] = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError):
        roll(tmp_path, {QUAY: NOT_YET, MOLE: NOT_YET}, Pace(1, 3))


class Interrupted(queue.Queue[tuple[str, float, Exception | None]]):
    """Somebody presses Ctrl-C so many times before anything is heard."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def get(self, block: bool = True, timeout: float | None = None) -> tuple[str, float, Exception | None]:
        if self.times:
            self.times -= 1
            signal.raise_signal(signal.SIGINT)
            raise queue.Empty
        return super().get(block, timeout)


def test_the_first_ctrl_c_begins_nobody_more_and_the_second_leaves_at_once(world: World, tmp_path: Path) -> None:
    with bars_of((QUAY, MOLE), Console(file=io.StringIO())) as shown:
        rolling = Rolling(fleet(tmp_path), {QUAY: NOT_YET, MOLE: NOT_YET}, Pace(1, 3), shown, heard=Interrupted(1))
        rolling.run()
        assert [one.did for one in rolling.ended()] == ["done", "not begun"]
        assert rolling.stopped is not None
        assert world.taken == [QUAY]
        rolling.heard, rolling.stopped = Interrupted(2), None
        with pytest.raises(KeyboardInterrupt):
            rolling.run()
