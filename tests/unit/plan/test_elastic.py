"""Spares above `min`, planned: their places are known from the start, their tokens are nobody's until they come up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.ops.drops import open_drop
from infra.plan import facts, plan_drop, plan_lab
from infra.plan.epochs import next_leases, taken
from infra.plan.model import DropPlan, Lease
from infra.plan.witnesses import site_witnesses
from infra.spec import DropFile
from infra.spec.drop import AutoscaleSpec, SparesSpec
from tests.accounts import ACCOUNTS

DIGEST = "0x" + "ab" * 32


def planned(file: DropFile, later: dict[str, list[tuple[int, tuple[Lease, ...]]]] | None = None) -> DropPlan:
    """Its plan in slot 20."""
    return plan_drop(file, stack="lights-7", slot=20, accounts=ACCOUNTS, manifest_digest=DIGEST, later=later)


def with_spares(least: int, most: int) -> DropFile:
    """Harbour Lights with so many at the quay."""
    file = open_drop("harbour-lights")[1]
    quay, mole = file.spec.geographies
    rules = AutoscaleSpec(budget_spare_hours=6) if most > least else None
    quay = quay.model_copy(update={"spares": SparesSpec(min=least, max=most), "autoscale": rules})
    return file.model_copy(update={"spec": file.spec.model_copy(update={"geographies": (quay, mole)})})


@pytest.fixture(scope="module")
def plan() -> DropPlan:
    return planned(with_spares(1, 3))


def test_a_bare_count_is_planned_as_ever() -> None:
    bare, ranged = planned(open_drop("harbour-lights")[1]), planned(with_spares(1, 1))
    assert bare == ranged
    assert bare.contract.address == "0x5e853317E33468b125e8EfEB38e83aD656e1c126"
    assert [geo.elastic for geo in bare.geographies] == [(), ()]


def test_names_and_addresses_go_on_after_the_drops_own(plan: DropPlan) -> None:
    quay = plan.geographies[0]
    assert [node.name for node in quay.nodes] == ["quay-appliance1", "quay-spare1"]
    assert [(node.name, node.address, node.kind, node.epoch) for node in quay.elastic] == [
        ("quay-spare2", "10.20.1.12", "spare", 1),
        ("quay-spare3", "10.20.1.13", "spare", 1),
    ]
    assert [node.name for node in quay.at_front] == ["quay-appliance1", "quay-spare1", "quay-spare2", "quay-spare3"]
    assert quay.scale is not None
    assert (quay.scale.least, quay.scale.most, quay.scale.budget_s) == (1, 3, 6 * 3600)


def test_the_spares_part_is_shared_by_all_up_to_max_and_what_is_kept_is_in_nobodys_lease(plan: DropPlan) -> None:
    quay = plan.geographies[0]
    kept = {node.name: [range(one.start, one.start + one.quota) for one in node.kept] for node in quay.elastic}
    own = [range(one.start, one.start + one.quota) for one in quay.nodes[1].leases]
    assert own == [range(12, 15), range(46, 47), range(59, 60)]
    assert kept == {
        "quay-spare2": [range(15, 18), range(47, 48), range(60, 61)],
        "quay-spare3": [range(18, 20), range(48, 49)],
    }
    assert all(node.leases == () for node in quay.elastic)
    assert not {node.name for node in quay.elastic} & {one.name for one in plan.grants}
    assert not any(grant.node in kept for grant in plan.cloud)


def test_whoever_rotates_may_take_what_is_kept(plan: DropPlan) -> None:
    held = taken(plan, ())
    found = next_leases(plan, plan.nodes[0], held)
    assert [(one.tier, one.start, one.quota) for one in found] == [(0, 15, 5), (1, 47, 2), (2, 60, 1)]


def test_each_coming_up_is_an_epoch_and_the_next_one_takes_first_what_was_kept_for_it(plan: DropPlan) -> None:
    spare = plan.geographies[0].elastic[1]
    first = next_leases(plan, spare, taken(plan, ()))
    assert first == spare.kept
    up = planned(with_spares(1, 3), {"quay-spare3": [(1, first)]})
    (stood,) = up.stood
    assert (stood.leases, stood.grant_id, stood.later) == (first, spare.grant_id, ())
    assert stood in up.grants
    assert up.nodes == plan.nodes
    assert up.contract == plan.contract
    again = planned(with_spares(1, 3), {"quay-spare3": [(1, first), (2, first[:1])]})
    assert [one.epoch for one in again.stood[0].each()] == [1, 2]


def test_a_rotation_finds_nothing_where_all_that_was_kept_is_up(plan: DropPlan) -> None:
    later = {node.name: [(1, node.kept)] for node in plan.geographies[0].elastic}
    full = planned(with_spares(1, 3), later)
    assert next_leases(full, full.nodes[0], taken(full, ())) == ()


def test_it_is_vouched_for_by_its_place_and_is_nobodys_witness(plan: DropPlan) -> None:
    quay = plan.geographies[0]
    told = facts(plan, replace(quay.elastic[0], leases=quay.elastic[0].kept), plan_lab(16), "PEM", {})
    assert set(told.witness_places) == {"front", "quay-appliance1", "quay-spare1"}
    assert (told.node, told.cloud_signer) == ("quay-spare2", "")
    assert set(site_witnesses(plan, quay.nodes[0])) == {"front", "quay-spare1"}
