"""Harbour Lights, planned: the figures a person can check by hand, and what must not move when the file grows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from infra.home import ROOT
from infra.ops.drops import open_drop
from infra.plan import cloud_facts, facts, plan_drop, plan_lab
from infra.plan.fronts import Borrower, Front, Leg
from infra.plan.leases import cloud_of, fallback_of
from infra.plan.model import DropPlan
from infra.plan.shares import share_out
from infra.plan.witnesses import site_witnesses
from infra.spec import DropFile, read_drop
from infra.spec.drop import HolderSpec, RoyaltySpec, SparesSpec
from node_image.front.config import CLAIMS_AT_ONCE
from node_image.protocol import facts as facts_document
from node_image.protocol.eip712 import grant_id
from tests.accounts import ACCOUNTS, ADDRESS, HOLDERS

OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
DIGEST = "0x" + "ab" * 32
DROPS = ROOT / "inventory" / "drops"


def planned(file: DropFile, *, operator: str = ADDRESS, digest: str = DIGEST, stack: str = "lights-7") -> DropPlan:
    """Its plan in slot 20."""
    return plan_drop(file, stack=stack, slot=20, accounts=replace(ACCOUNTS, operator=operator), manifest_digest=digest)


@pytest.fixture(scope="module")
def file() -> DropFile:
    return open_drop("harbour-lights")[1]


@pytest.fixture(scope="module")
def plan(file: DropFile) -> DropPlan:
    return planned(file)


def ranges(plan: DropPlan, tier: int) -> dict[str, range]:
    """Token ids by node."""
    held = [(one.name, lease) for one in plan.grants for lease in one.leases if lease.tier == tier]
    return {name: range(lease.start, lease.start + lease.quota) for name, lease in held}


def test_harbour_lights_leases(plan: DropPlan) -> None:
    assert [(tier.name, tier.first_token, tier.supply, tier.fallback) for tier in plan.tiers] == [
        ("print", 1, 40, 2),
        ("shirt", 41, 16, 1),
        ("proof", 57, 8, 1),
    ]
    assert ranges(plan, 0) == {
        "quay-appliance1": range(1, 11),
        "quay-appliance1-cloud": range(11, 12),
        "quay-spare1": range(12, 20),
        "mole-appliance1": range(20, 30),
        "mole-appliance1-cloud": range(30, 31),
        "mole-spare1": range(31, 39),
    }
    assert ranges(plan, 2)["mole-spare1"] == range(63, 64)
    assert [(one.node, one.geo, one.epoch) for one in plan.cloud] == [
        ("quay-appliance1", "quay", 1),
        ("mole-appliance1", "mole", 1),
    ]


def test_without_a_percent_for_the_cloud_signer_nodes_hold_everything(file: DropFile, plan: DropPlan) -> None:
    leases = file.spec.leases.model_copy(update={"cloud_percent": 0})
    other = planned(file.model_copy(update={"spec": file.spec.model_copy(update={"leases": leases})}))
    assert (other.cloud, ranges(other, 0)["quay-appliance1"]) == ((), range(1, 12))
    assert [facts(made, made.nodes[0], plan_lab(16), "PEM", {}).cloud_signer for made in (plan, other)] == [
        "10.16.0.9:8443",
        "",
    ]


@pytest.mark.parametrize(
    ("quota", "percent", "cloud"),
    [(100, 5, 5), (11, 5, 1), (10, 5, 1), (9, 5, 0), (1, 50, 0), (2, 50, 1), (3, 50, 1), (7, 0, 0)],
)
def test_the_cloud_signers_part_is_to_the_nearest_token_and_never_the_larger(
    quota: int, percent: int, cloud: int
) -> None:
    assert cloud_of(quota, percent) == cloud


def test_the_cloud_signer_is_told_a_grant_of_its_own(plan: DropPlan) -> None:
    held, node = plan.cloud[1], plan.nodes[2]
    told = cloud_facts(plan, held, plan_lab(16), "PEM", {"hub": "HUB"})
    own = facts(plan, node, plan_lab(16), "PEM", {"hub": "HUB"})
    assert (told.node, told.grant_id, told.cloud_signer) == ("mole-appliance1-cloud", held.grant_id, "")
    assert told.grant_id == "0x" + grant_id(plan.drop, told.node, 1).hex()
    assert (told.witness_places, own.cloud_signer) == ({}, "10.16.0.9:8443")
    places = {"cloud_signer": own.cloud_signer, "witness_places": own.witness_places}
    assert own == msgspec.structs.replace(told, node=own.node, grant_id=own.grant_id, **places)


def test_a_nodes_journal_is_seen_by_its_front_and_the_nodes_after_it(plan: DropPlan) -> None:
    by_node = {node.name: site_witnesses(plan, node) for node in plan.nodes}
    assert by_node["quay-appliance1"] == {"front": "10.20.1.3:8444", "quay-spare1": "10.20.1.11:8444"}
    assert by_node["mole-spare1"] == {"front": "10.20.2.3:8444", "mole-appliance1": "10.20.2.10:8444"}
    assert facts(plan, plan.nodes[0], plan_lab(16), "PEM", {}).witness_places == by_node["quay-appliance1"]


def test_in_a_large_place_each_node_has_three_peers_and_is_the_peer_of_three(file: DropFile) -> None:
    quay = file.spec.geographies[0].model_copy(update={"appliances": 7})
    spec = file.spec.model_copy(update={"geographies": (quay, *file.spec.geographies[1:])})
    plan = planned(file.model_copy(update={"spec": spec}))
    names = [node.name for node in plan.geographies[0].nodes]
    peers = {node.name: [*site_witnesses(plan, node)][1:] for node in plan.geographies[0].nodes}
    assert peers[names[0]] == names[1:4]
    assert peers[names[-1]] == names[:3]
    assert [sum(name in chosen for chosen in peers.values()) for name in names] == [3] * len(names)


def test_addresses_are_the_architectures(plan: DropPlan) -> None:
    quay, mole = plan.geographies
    assert (quay.subnet, quay.front_address, mole.subnet) == ("10.20.1.0/24", "10.20.1.2", "10.20.2.0/24")
    assert quay.fronts == (Front("quay-front", "10.20.1.4"), Front("quay-front2", "10.20.1.5"))
    assert mole.fronts == (Front("mole-front", mole.front_address),), "one alone has the buyers' own"
    assert [node.address for node in plan.nodes] == ["10.20.1.10", "10.20.1.11", "10.20.2.10", "10.20.2.11"]
    hub = plan_lab(20)
    assert (hub.registry, hub.registry_push, hub.ledger) == ("10.20.0.3:5000", "127.0.0.1:20020", "10.20.0.7")


def test_what_a_place_lends_stays_where_it_is_and_the_borrowers_fronts_come_to_it(file: DropFile) -> None:
    quay, mole = file.spec.geographies
    lender = mole.model_copy(update={"lends_spares_to": ("quay",), "spares": SparesSpec(min=2, max=2)})
    spec = file.spec.model_copy(update={"geographies": (quay, lender)})
    plan = planned(file.model_copy(update={"spec": spec}))
    borrower, other = plan.geographies
    assert [(one.name, one.geo, one.address) for one in borrower.lent] == [
        ("mole-spare1", "mole", "10.20.2.11"),
        ("mole-spare2", "mole", "10.20.2.12"),
    ]
    assert {one.at_once for one in borrower.lent} == {CLAIMS_AT_ONCE // 2}
    assert borrower.legs == (Leg("mole", ("10.20.2.240", "10.20.2.241")),), "each of the pair has its own"
    assert other.borrowers == (Borrower("quay", borrower.fronts),)
    assert (other.lent, other.legs, borrower.borrowers) == ((), (), ())
    without = planned(file.model_copy(update={"spec": spec.model_copy(update={"geographies": (quay, mole)})}))
    assert without.geographies[0].nodes == borrower.nodes


def test_those_that_share_a_spare_get_no_more_of_it_than_one(file: DropFile) -> None:
    quay, mole = file.spec.geographies
    third = mole.model_copy(update={"name": "pier", "lends_spares_to": ("quay", "mole")})
    spec = file.spec.model_copy(update={"geographies": (quay, mole, third)})
    first, second, _ = planned(file.model_copy(update={"spec": spec})).geographies
    assert sum(one.at_once for geo in (first, second) for one in geo.lent) == CLAIMS_AT_ONCE // 2
    assert (first.legs[0].addresses[0], second.legs[0].addresses) == ("10.20.3.240", ("10.20.3.242",))


def test_the_stacks_name_is_in_no_identity(file: DropFile, plan: DropPlan) -> None:
    other = planned(file, stack="lights-8")
    assert [node.grant_id for node in other.nodes] == [node.grant_id for node in plan.nodes]
    assert other.contract == plan.contract


def test_another_role_or_manifest_is_another_contract(file: DropFile, plan: DropPlan) -> None:
    addresses = {plan.contract.address, planned(file, operator=OTHER).contract.address}
    assert len(addresses | {planned(file, digest="0x" + "cd" * 32).contract.address}) == 3


def test_the_operators_ceilings_are_the_largest_lease_and_all_but_the_fallback(plan: DropPlan) -> None:
    assert [(tier.max_lease, tier.operator_cap) for tier in plan.tiers] == [(10, 38), (5, 15), (2, 7)]
    for tier in plan.tiers:
        assert tier.max_lease == max(len(held) for held in ranges(plan, tier.tier).values())


def test_the_drop_files_holders_are_the_contracts_in_order_of_address(file: DropFile, plan: DropPlan) -> None:
    assert [holder.address for holder in plan.contract.roles.holders] == sorted(HOLDERS, key=lambda one: int(one, 16))
    assert {holder.kind for holder in plan.contract.roles.holders} == {"ecdsa"}
    named = (HolderSpec(address=OTHER, kind="erc1271"), HolderSpec(address=ADDRESS), HolderSpec(address=HOLDERS[0]))
    royalty = RoyaltySpec(address=OTHER, share_percent=7)
    other = file.model_copy(update={"spec": file.spec.model_copy(update={"holders": named, "royalty": royalty})})
    roles = planned(other).contract.roles
    assert [(one.address, one.kind) for one in roles.holders] == [
        (HOLDERS[0], "ecdsa"),
        (OTHER, "erc1271"),
        (ADDRESS, "ecdsa"),
    ]
    assert (roles.royalty_to, roles.royalty_bps) == (OTHER, 700)
    assert planned(other).contract.address != plan.contract.address


def test_a_geography_added_last_moves_no_name_address_or_grant(file: DropFile, plan: DropPlan) -> None:
    quay, mole = file.spec.geographies
    third = mole.model_copy(update={"name": "pier", "share_percent": 0})
    grown = file.model_copy(update={"spec": file.spec.model_copy(update={"geographies": (quay, mole, third)})})
    for before, after in zip(plan.nodes, planned(grown).nodes, strict=False):
        assert (before.name, before.address, before.grant_id) == (after.name, after.address, after.grant_id)
    assert [node.leases for node in planned(grown).nodes[-2:]] == [(), ()]


def test_a_node_is_the_box_that_the_drop_names(tmp_path: Path) -> None:
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "harbour-lights").symlink_to(DROPS / "harbour-lights")
    text = (DROPS / "harbour-lights.yaml").read_text()
    named = "{quay-spare1: old-quay/rack1-1, quay-appliance1: old-quay/rack1-2}"
    text = text.replace("target: docker", f"target: ssh\n    boxes: {named}", 1)
    path = tmp_path / "drops" / "own.yaml"
    path.write_text(text)
    nodes = planned(read_drop(path, ROOT / "inventory" / "sites")).nodes[:2]
    assert [(node.name, node.target, node.address, node.ssh_user, node.ssh_port) for node in nodes] == [
        ("quay-appliance1", "ssh", "192.0.2.12", "root", 2222),
        ("quay-spare1", "ssh", "192.0.2.11", "root", 22),
    ]
    assert [node.claims_at_once for node in nodes] == [48, CLAIMS_AT_ONCE]
    assert all((node.host_key or "").startswith("ssh-ed25519 ") for node in nodes)


def test_a_nodes_facts_are_a_document_the_node_can_read(plan: DropPlan) -> None:
    node = plan.nodes[3]
    told = facts_document.parse(msgspec.json.encode(facts(plan, node, plan_lab(16), "PEM", {"hub": "HUB"})))
    assert (told.node, told.geo, told.grant_id, told.contract) == (
        "mole-spare1",
        "mole",
        node.grant_id,
        plan.contract.address,
    )
    assert told.witnesses == {"hub": "HUB"}
    assert [(tier.slot_base, tier.wallet_cap, tier.sku) for tier in told.tiers] == [
        (0, 2, None),
        (2, 1, "HL-SHIRT-M"),
        (3, 1, None),
    ]


@pytest.mark.parametrize(("supply", "percent", "kept"), [(40, 5, 2), (16, 5, 1), (1, 50, 0), (2, 50, 1), (100, 0, 0)])
def test_fallback_is_rounded_up_and_leaves_one_to_sell(supply: int, percent: int, kept: int) -> None:
    assert fallback_of(supply, percent) == kept


def test_the_largest_remainders_get_what_is_left() -> None:
    assert share_out(10, [1, 1, 1]) == [4, 3, 3]
    assert share_out(7, [60, 40]) == [4, 3]
    assert share_out(5, [0, 0]) == [0, 0]
