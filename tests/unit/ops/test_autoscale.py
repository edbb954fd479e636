"""The hub's look at a front, and what its daemon refuses and remembers; nothing is stood up."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import msgspec
import pytest

from infra import elastic, epochs, stacks
from infra.elastic import Held
from infra.epochs import Recorded
from infra.errors import BadUsage
from infra.ops import autoscale, spares
from infra.ops.autoscale import Watch
from infra.ops.drops import plan_of
from infra.ops.epoch import Known, free_leases
from infra.ops.place import Place
from infra.stacks import Stack
from node_image.hub.chain import Chain
from tests.elastic_drop import elastic_file, elastic_plan

SPARE = "quay-spare2"
METRICS = "\n".join(
    f'haproxy_server_status{{proxy="{pool}",server="{node}",state="{state}"}} 1\n'
    f'haproxy_server_current_sessions{{proxy="{pool}",server="{node}"}} {in_hand}'
    for pool, node, state, in_hand in (
        ("appliances", "quay-appliance1", "UP", 70),
        ("spares", "quay-spare1", "DRAIN", 9),
        ("spares", SPARE, "UP", 16),
        ("spares", "quay-spare3", "DOWN", 0),
    )
)


def front(answer: httpx.Response) -> httpx.Client:
    """One that answers so, whatever it is asked."""
    return httpx.Client(transport=httpx.MockTransport(lambda _: answer))


SERVED, SILENT = front(httpx.Response(200, text=METRICS)), front(httpx.Response(503))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A drop that stands as far as this machine's record goes."""
    made = Stack("harbour-lights", "drop", 17, "lab", "harbour-lights", str(elastic_file(tmp_path)), "harbour-lights")
    stacks.save(Stack("lab", "lab", 16))
    stacks.save(made)
    return made


class Empty(Chain):
    """A chain on which nothing was opened yet."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")

    def grant_key(self, contract: str, grant_id: str, *, final: bool = False) -> str | None:  # noqa: ARG002
        return None

    def leases(self, contract: str) -> dict[tuple[str, int], tuple[int, int]]:  # noqa: ARG002
        return {}

    def minted_token_ids(self, contract: str, since: int = 0) -> set[int]:  # noqa: ARG002
        return set()


def test_hands_are_of_those_that_the_front_sends_buyers(tmp_path: Path) -> None:
    geo = elastic_plan(tmp_path).geographies[0]
    found = autoscale.look(SERVED, geo, Held().began([SPARE], 1.0, 0, "").moved([SPARE], "up"))
    assert found is not None
    assert (found.hands, found.busy, found.last_hands) == (128, 80, 64)
    assert autoscale.look(SILENT, geo, Held()) is None


def test_a_front_that_is_away_changes_nothing_and_is_told_once(stack: Stack) -> None:
    watch = Watch(stack, "quay", SILENT, as_json=False)
    fault = watch.round()
    assert fault is not None
    assert "does not answer, and 1 spares stay up" in fault.message
    assert elastic.of(stack.name, "quay").trouble == fault.message
    assert watch.round() is None, "it is tried again later, not at once"


def test_a_drop_without_a_range_has_nothing_to_do(stack: Stack) -> None:
    file = Path(stack.drop_file)
    file.write_text(file.read_text().replace("{min: 1, max: 3}\n    autoscale: {budget_spare_hours: 6}", "1"))
    with pytest.raises(BadUsage, match="has no spares that come and go") as refused:
        autoscale.autoscale(stack.name, once=True)
    assert "{min: .., max: ..}" in refused.value.hint


def test_its_lease_is_on_record_before_it_comes_and_gone_on_with(stack: Stack) -> None:
    place = Place(Empty(), 31337, "0x" + "11" * 20, stack.drop, stack)

    def known(name: str) -> Known:
        plan = plan_of(stack)
        node = next(one for one in plan.geographies[0].elastic if one.name == name)
        return Known(place, plan, stack, node)

    stale = known("quay-spare3")
    assert spares._leased(known(SPARE))
    (first,) = epochs.read(stack.name)[SPARE]
    assert (first.epoch, first.leases, first.done) == (1, known(SPARE).node.kept, False)
    assert spares._leased(known(SPARE))
    assert epochs.read(stack.name)[SPARE] == (first,), "what was begun is gone on with"
    spares._done(stack.name, SPARE)
    assert epochs.read(stack.name)[SPARE] == (msgspec.structs.replace(first, done=True),)
    assert free_leases(stale) == stale.node.kept


def test_what_another_command_recorded_meanwhile_is_not_free(stack: Stack) -> None:
    plan = plan_of(stack)
    place, spare = Place(Empty(), 31337, "0x" + "11" * 20, stack.drop, stack), plan.geographies[0].elastic[0]
    stale = Known(place, plan, stack, plan.nodes[0])
    assert {(one.tier, one.start) for one in free_leases(stale)} >= {(one.tier, one.start) for one in spare.kept[:1]}
    epochs.put(stack.name, SPARE, Recorded(1, leases=spare.kept))
    taken = {token for one in spare.kept for token in range(one.start, one.start + one.quota)}
    for one in free_leases(stale):
        assert not taken & set(range(one.start, one.start + one.quota))


def test_what_is_still_coming_when_the_budget_ends_is_called_off(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoscale, "go_on", lambda _: None)
    watch = Watch(stack, "quay", SILENT, as_json=False)
    elastic.put(stack.name, "quay", Held().began([SPARE], time.time() - 5.5 * 3600, 0, "busy"))
    watch._round()
    assert elastic.of(stack.name, "quay").at("coming") == (SPARE,)
    elastic.put(stack.name, "quay", Held().began([SPARE], time.time() - 6 * 3600, 0, "busy"))
    watch._round()
    (stint,) = elastic.of(stack.name, "quay").stints
    assert (stint.stage, stint.why) == ("closing", "0.00 of 6 spare-hours are left: what is left pays for closing out")
