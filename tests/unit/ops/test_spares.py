"""An elastic spare comes and goes whoever is killed meanwhile: at each step, before it and after it.

Chain, front and engine are a small world of their own; the record and the audit trail are the real files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from infra import audit, elastic, epochs, stacks
from infra.elastic import Held
from infra.epochs import Recorded
from infra.errors import Unreachable
from infra.home import home
from infra.ops import elastic_stack, fronts, spares
from infra.ops.spares import Where, come, go, go_on, unfinished
from infra.stacks import Stack
from node_image.hub.chain import Status
from tests.elastic_drop import elastic_file, elastic_plan

SPARE = "quay-spare2"


class Killed(BaseException):
    """As SIGKILL: nobody tidies up."""


class World:
    """What the steps act on; it kills whoever takes the step that `left` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.boxes, self.lease, self.drained = -1, set[str](), Status.NONE, False
        self.ledger = ""  # why it does not answer
        place = SimpleNamespace(node=lambda _: SimpleNamespace(grant_id="0x1", epoch=1), drop="harbour-lights")
        parts: dict[str, Callable[..., Any]] = {
            "find_place": lambda *_: place,
            "standing": lambda *_: SimpleNamespace(status=self.lease, issued=3),
            "ask_ledger": lambda *_: (None, self.ledger),
            "close_out": self.closes,
            "in_service": lambda *_: self.boxes,
            "ship": lambda _: True,
            "_leased": self.leases,
        }
        for name, done in parts.items():
            monkeypatch.setattr(spares, name, self.step(done))
        monkeypatch.setattr(httpx, "Client", lambda **_: nullcontext())
        monkeypatch.setattr(elastic_stack, "settle", self.step(lambda _: None))
        monkeypatch.setattr(elastic_stack, "converge", self.step(self.converges))
        monkeypatch.setattr(fronts, "tell", self.step(self.drains))
        monkeypatch.setattr(fronts, "await_last", self.step(lambda *_: 0))
        monkeypatch.setattr(fronts, "give_back", self.step(self.gives_back))
        monkeypatch.setattr(elastic, "put", self.step(elastic.put))
        monkeypatch.setattr(audit, "append", self.step(audit.append))

    def step[**P, T](self, done: Callable[P, T]) -> Callable[P, T]:
        """Killed before it, or after it."""

        def taken(*told: P.args, **more: P.kwargs) -> T:
            self.tick()
            found = done(*told, **more)
            self.tick()
            return found

        return taken

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def leases(self, known: Any) -> bool:
        epochs.put("harbour-lights", known.node.name, Recorded(1, leases=known.node.kept))
        return True

    def converges(self, stack: Stack, *, stand: bool) -> None:
        wanted = set(elastic.of("harbour-lights", "quay").at("coming", "up", "closing"))
        assert stack.name == "harbour-lights.quay.elastic"
        assert stand == bool(wanted)
        assert self.lease is not Status.OPEN or self.boxes <= wanted, "its lease ends before its box goes"
        self.lease = Status.OPEN if wanted - self.boxes else self.lease
        self.boxes = wanted

    def drains(self, _drop: str, _geo: object, hows: dict[str, str]) -> None:
        assert hows == {SPARE: "drain"}
        self.drained = True

    def gives_back(self, *_: object) -> None:
        self.drained = False

    def closes(self, *_: object) -> Any:
        assert self.drained
        assert SPARE in self.boxes
        self.lease = Status.CLOSED
        return SimpleNamespace(issued=3)


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Where:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    plan = elastic_plan(tmp_path)
    (tmp_path / "file").mkdir()
    file = str(elastic_file(tmp_path / "file"))
    stack = Stack("harbour-lights", "drop", 17, "lab", "harbour-lights", file, "harbour-lights")
    stacks.save(stack)
    return Where(stack, plan, plan.geographies[0])


@pytest.fixture
def world(where: Where, monkeypatch: pytest.MonkeyPatch) -> World:
    assert where.held == Held()
    return World(monkeypatch)


def killed_at(world: World, at: int, act: Callable[[], None]) -> bool:
    """Whether the act had so many steps."""
    world.left = at
    try:
        act()
    except Killed:
        return True
    finally:
        world.left = -1
    return False


def anew() -> None:
    """With an empty trail: each of its lines is checked each time."""
    (home() / "audit" / "trail.jsonl").unlink(missing_ok=True)


def ended(where: Where) -> bool:
    """Whether the trail has an end of what it has the beginning of."""
    return any(one.of == where.held.stints[-1].trail for one in audit.entries())


def test_killed_at_any_step_of_its_coming_it_comes(where: Where, world: World) -> None:
    for at in range(1, 200):
        anew()
        elastic.put("harbour-lights", "quay", Held())
        world.boxes, world.lease = set(), Status.NONE
        killed = killed_at(world, at, lambda: come(where, 1, "busy"))
        assert not world.boxes or where.held.spent_s(time.time()) > 0, "it costs before it is there"
        go_on(where)
        if not where.held.stints:  # nothing was begun
            come(where, 1, "busy")
        assert (where.held.at("up"), world.boxes, unfinished(where.held)) == ((SPARE,), {SPARE}, False)
        assert ended(where)
        if not killed:
            return
    raise AssertionError("it never ended")


def test_killed_at_any_step_of_its_going_it_goes_and_its_lease_has_ended(where: Where, world: World) -> None:
    for at in range(1, 200):
        anew()
        up = Held().began([SPARE], time.time(), 0, "busy").moved([SPARE], "up")
        elastic.put("harbour-lights", "quay", up)
        epochs.put("harbour-lights", SPARE, Recorded(1, leases=where.geo.elastic[0].kept))
        world.boxes, world.lease, world.drained = {SPARE}, Status.OPEN, False
        killed = killed_at(world, at, lambda: go(where, 1, "idle"))
        go_on(where)
        if where.held.at("up"):  # nothing was begun
            go(where, 1, "idle")
        assert (where.held.at("gone"), world.boxes, world.lease) == ((SPARE,), set(), Status.CLOSED)
        assert (world.drained, where.held.stints[0].to_s is None) == (False, False)
        assert ended(where)
        if not killed:
            begun, done = [one for one in audit.entries() if one.what == "autoscale down"][-2:]
            assert (begun.result, done.result, done.of, done.why) == ("begun", "done", begun.number, "idle")
            return
    raise AssertionError("it never ended")


def test_while_the_ledger_is_away_nothing_is_begun_and_it_stays_up(where: Where, world: World) -> None:
    come(where, 1, "busy")
    before = where.held
    world.ledger = "the ledger (ConnectTimeout)"
    with pytest.raises(Unreachable, match=r"quay-spare2 should go and can't be closed out: the ledger"):
        go(where, 1, "idle")
    assert (where.held, world.drained, world.lease) == (before, False, Status.OPEN)


def test_one_whose_grant_was_revoked_goes_without_a_close_out(where: Where, world: World) -> None:
    come(where, 1, "busy")
    world.lease = Status.REVOKED
    go(where, 1, "idle")
    assert (where.held.at("gone"), world.lease) == ((SPARE,), Status.REVOKED)


def test_the_lowest_come_and_the_highest_go(where: Where, world: World) -> None:
    come(where, 2, "ahead")
    assert where.held.at("up") == ("quay-spare2", "quay-spare3")
    world.drains = lambda *_: None  # type: ignore[method-assign]
    world.lease = Status.REVOKED
    go(where, 1, "idle")
    assert (where.held.at("up"), where.held.at("gone")) == (("quay-spare2",), ("quay-spare3",))
    come(where, 5, "busy")
    assert sorted(where.held.at("up")) == ["quay-spare2", "quay-spare3"]
