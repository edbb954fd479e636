"""Which drop, chain and grant a command means, and what is said where it can't tell."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from infra import keys as control
from infra import stacks
from infra.ops.drops import plan_of
from infra.plan.contract import deployment_of
from infra.stacks import Stack
from node_image.hub.chain import Status
from tests.e2e.acts.here import Here, signed_by
from tests.e2e.contract_world import (
    NODE,
    PAID,
    World,
    address,
    opening,
)
from tests.e2e.small_drop import write_small_drop
from tests.typed import edgedrop

pytestmark = pytest.mark.e2e


def test_what_cannot_be_reached_is_told(here: Here, keys: list[Path]) -> None:
    by = (*signed_by(keys, 0), "--yes")
    grant = "0x" + "55" * 32
    edgedrop("freeze", "quay-appliance1", *by).bad(2, "knows no drop", "--rpc")
    edgedrop("freeze", "quay-appliance1", *here.where, *by).bad(2, "nobody here knows the grant", "--drop")
    edgedrop("freeze", "quay-appliance1", *here.where, "--drop", "nowhere", *by).bad(2, "was never opened")
    away = ("--rpc", "http://127.0.0.1:1", "--contract", here.drop.contract)
    edgedrop("freeze", grant, *away, *by).bad(5, "does not answer", "--rpc")
    edgedrop("freeze", grant, "--rpc", here.url, "--contract", "0x" + "44" * 20, *by).bad(6, "no contract stands at")
    edgedrop("freeze", grant, "--rpc", here.url, "--contract", "0x44", *by).bad(2, "is no address")


def test_a_node_is_found_by_the_drops_name_alone(here: Here, keys: list[Path]) -> None:
    grant = here.drop.open("elsewhere", [opening(PAID, 1001, 1)])
    edgedrop("freeze", "elsewhere", "--drop", "drop", *here.where, *signed_by(keys, 0), "--yes").good()
    assert here.status(grant) is Status.FROZEN


def test_nobody_to_pay_is_told(here: Here, tmp_path: Path, keys: list[Path]) -> None:
    poor = tmp_path / "poor.key"
    poor.write_text("0x" + "77" * 32)
    poor.chmod(0o600)
    typed = here.type("freeze", here.grant(), *signed_by(keys, 0), "--pay", poor, "--yes")
    typed.bad(1, "nothing was changed")


def test_the_control_side_needs_no_more_than_the_nodes_name(url: str, drop: World, tmp_path: Path) -> None:
    file = write_small_drop(tmp_path, "lights", 20)
    stack = Stack("lights", "drop", 16, lab="lab", drop="lights", drop_file=str(file), drop_stack="lights")
    stacks.save(stack)
    stacks.save(Stack("lab", "lab", 17))
    plan = plan_of(stack)
    deployed = deployment_of(plan.drop, plan.contract, plan.tiers)
    for account_ in (control.operator_address(), *control.holder_addresses()):
        drop.chain.fund(account_)
    drop.chain.deploy(control.operator_key(), deployed.salt, deployed.init_code())
    node = plan.nodes[0]
    leases = [msgspec.to_builtins(lease) for lease in node.leases]
    drop.chain.open_grant(control.operator_key(), plan.contract.address, node.grant_id, address(NODE), leases)
    at = ("--rpc", url, "--yes", "--json")
    frozen = edgedrop("freeze", node.name, *at).good()
    assert (frozen.told["grant_id"], frozen.told["now"]["status"]) == (node.grant_id, "frozen")
    assert "ledger" in frozen.told["unseen"][0]  # nobody is there, or another run's lab that knows no such grant
    assert edgedrop("revoke", node.name, "--drop", "lights", *at).good().told["now"]["status"] == "revoked"
    edgedrop("reclaim", node.name, "--tier", "only", *at).bad(2, "its vouchers redeem until 2031")
    edgedrop("reclaim", node.name, "--tier", "cup", *at).bad(2, "its tiers are only")
    edgedrop("freeze", "quay-appliance9", *at).bad(2, "has no node", "pier-appliance1")
    file.unlink()
    edgedrop("freeze", node.name, *at).bad(2, "the drop file of lights is gone")
    by_hand = ("--drop", "lights", "--contract", plan.contract.address)
    assert edgedrop("freeze", node.name, *at, *by_hand).good().told["already"]
