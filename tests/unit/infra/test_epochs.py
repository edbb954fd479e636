"""What this machine recorded of a drop's later epochs, and what planning makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra import epochs
from infra.epochs import Recorded
from infra.ops.drops import open_drop, plan_of_file
from infra.plan import facts, plan_lab
from infra.plan.epochs import Leased, free, next_leases, remainders, taken
from infra.plan.model import DropPlan, Lease, Node
from node_image.protocol import eip712

NODE = "quay-appliance1"
LEASE = Lease(0, 5, 7, 100, 200)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


def planned() -> DropPlan:
    """Harbour Lights, as `edgedrop plan` makes it here."""
    path, file = open_drop("harbour-lights")
    return plan_of_file(path, file, stack="harbour-lights", slot=17)


def test_an_epoch_counts_once_its_leases_are_known_and_moves_nothing_else() -> None:
    before = planned()
    epochs.put("harbour-lights", NODE, Recorded(2, closes=1))
    assert planned() == before
    epochs.put("harbour-lights", NODE, Recorded(2, closes=1, leases=(LEASE,)))
    after = planned()
    node = after.nodes[0]
    assert [(one.epoch, one.leases) for one in node.each()] == [(1, before.nodes[0].leases), (2, (LEASE,))]
    assert node.later[0].grant_id == "0x" + eip712.grant_id("harbour-lights", NODE, 2).hex()
    assert replace(node, later=()) == before.nodes[0]
    assert after.nodes[1:] == before.nodes[1:]
    assert after.contract == before.contract
    told = facts(after, node, plan_lab(17), "PEM", {"hub": "HUB"})
    assert [(one.epoch, one.grant_id) for one in told.each()] == [(one.epoch, one.grant_id) for one in node.each()]


def test_the_newest_epoch_is_changed_and_the_others_stay() -> None:
    epochs.put("d", "n", Recorded(2, leases=(LEASE,), done=True))
    epochs.put("d", "n", Recorded(3, closes=2))
    epochs.put("d", "m", Recorded(2, leases=(LEASE,)))
    assert [one.epoch for one in epochs.read("d")["n"]] == [2, 3]
    assert epochs.leases("d") == {"n": [(2, (LEASE,))], "m": [(2, (LEASE,))]}
    epochs.drop_newest("d", "n")
    assert [(one.epoch, one.done) for one in epochs.read("d")["n"]] == [(2, True)]
    epochs.forget("d")
    assert epochs.read("d") == {}


def test_a_drop_sells_all_in_its_first_epochs_so_nothing_is_free() -> None:
    plan = planned()
    assert next_leases(plan, plan.nodes[0], taken(plan, ())) == ()
    assert free(plan.tiers[0], taken(plan, ())[0]) == []


def test_what_a_close_out_gave_back_is_the_nodes_own_first() -> None:
    plan = planned()
    quay, spare = plan.nodes[:2]
    closed = [Leased(node.grant_id, 0, node.leases[0].start, 4) for node in (quay, spare)]
    held = taken(plan, closed)
    assert free(plan.tiers[0], held[0]) == [range(5, 11), range(16, 20)]  # 11 is the cloud signer's

    def first(node: Node, minted: frozenset[int] = frozenset()) -> tuple[int, int]:
        held_first = next_leases(plan, node, held, minted)[0]
        return held_first.start, held_first.quota

    other = plan.nodes[2]
    assert [first(quay), first(spare), first(other)] == [(5, 6), (16, 4), (5, 6)]
    assert first(other, frozenset({7})) == (16, 4)
    assert first(quay, frozenset({7})) == (8, 3)
    assert remainders(quay.leases, closed, quay.grant_id)[0] == range(5, 11)


def test_a_grant_that_is_being_closed_for_another_keeps_its_whole_range() -> None:
    plan = planned()
    quay = plan.nodes[0]
    closed = [Leased(quay.grant_id, 0, 1, 4)]
    assert free(plan.tiers[0], taken(plan, closed)[0]) == [range(5, 11)]
    assert free(plan.tiers[0], taken(plan, closed, {quay.grant_id})[0]) == []
