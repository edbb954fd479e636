"""A node's HSM goes out on a whole drop: the hub signs for it from its own lease, and all agree on what was sold.

Before it, the site itself is cut off, and its signer restarts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from infra import stacks
from infra.ops import status
from infra.ops.claimant import Buyer
from infra.plan.model import DropPlan
from node_image.hub.chain import Chain
from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import Standing, docker, sweep, wait_for

pytestmark = pytest.mark.e2e

NODE = "quay-appliance1"  # the runbook's
TOKENS = "/var/lib/docker/volumes/edgedrop-tokens/_data"


@dataclass(frozen=True, slots=True)
class World:
    """The drop that stands, and a buyer who believes nothing unchecked."""

    shared: Standing
    stack: str
    plan: DropPlan
    buyer: Buyer

    def claim(self) -> dict[str, Any]:
        """One token of the node; the voucher, checked against the key that the chain has for its grant.

        Not by the front, which does not wait for the hub where a neighbour answers sooner.
        """
        wish, node = self.buyer.wish(0), next(one for one in self.plan.nodes if one.name == NODE)
        url = f"http://{node.address}:8080/v1/claims"
        answer = httpx.post(url, json=dict(wish.body), timeout=20, trust_env=False)
        assert answer.status_code == 201, answer.text
        self.buyer.check(wish, answer.json())
        return dict(answer.json())

    @contextmanager
    def hsm_out(self) -> Iterator[None]:
        """The token folder can't be read: as if the HSM were pulled."""
        box = f"{self.stack}-{NODE}"
        docker("exec", box, "chmod", "0", TOKENS)
        try:
            yield
        finally:
            docker("exec", box, "chmod", "0700", TOKENS)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """The node's uplink is gone; its place's network is not."""
        ends = (f"{self.shared.lab}-hub", f"{self.stack}-{NODE}")
        docker("network", "disconnect", *ends)
        try:
            yield
        finally:
            docker("network", "connect", *ends)

    def signer(self) -> dict[str, Any]:
        """The node's, by its mint."""
        node = next(one for one in self.plan.nodes if one.name == NODE)
        return dict(httpx.get(f"http://{node.address}:8080/v1/status", timeout=20, trust_env=False).json())

    def told(self) -> dict[str, Any]:
        """`edgedrop status --json`."""
        return dict(json.loads(self.shared.edgedrop("status", self.stack, "--json", check=False).stdout))

    def await_redeemed(self, claims: int, *, agree: bool = True) -> dict[str, Any]:
        """Until as many are redeemed, and journal, ledger and chain agree; the geography's line of the table."""

        def there() -> bool:
            told = self.told()
            return told["geographies"][0]["redeemed"] == claims and (told["agree"] or not agree)

        wait_for(there, 90, f"{claims} redeemed claims")
        return dict(self.told()["geographies"][0])


@pytest.fixture(scope="module")
def world(shared: Standing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small drop whose nodes have a lease at the cloud signer."""
    stack = f"hsm-{shared.run}"
    file = write_small_drop(tmp_path_factory.mktemp("drop"), "hsm", 60)
    file.write_text(
        file.read_text().replace("pier", "quay").replace("spare_percent: 50", "spare_percent: 50, cloud_percent: 20")
    )
    patch = pytest.MonkeyPatch()
    patch.setenv("EDGEDROP_HOME", str(shared.home))
    try:
        shared.edgedrop("up", stack, "--lab", shared.lab, "--file", str(file), "--yes")
        plan, hub = status.places(stacks.load(stack))
        chain = Chain(hub.chain_url)
        keys = {one.grant_id: chain.grant_key(plan.contract.address, one.grant_id) or "" for one in plan.grants}
        yield World(shared, stack, plan, Buyer(plan, keys))
    finally:
        patch.undo()
        shared.edgedrop("down", stack, "--yes", check=False)
        sweep(stack)


def test_each_node_has_a_lease_of_its_own_at_the_hub(world: World) -> None:
    assert {one.node for one in world.plan.cloud} == {node.name for node in world.plan.nodes}
    assert all(world.buyer.keys[one.grant_id] for one in world.plan.cloud), "open on chain"
    assert len(set(world.buyer.keys.values())) == len(world.plan.grants), "each grant has a key of its own"
    assert world.await_redeemed(0)["claims"] == 0


def test_cut_off_its_signer_restarts_and_signs_within_seconds_by_its_sites_word(world: World) -> None:
    first = world.claim()
    with world.cut_off():
        docker("exec", f"{world.stack}-{NODE}", "docker", "restart", "--time", "0", "edgedrop-signer")
        wait_for(lambda: bool(world.signer()["ready"]), 30, "the site's word")
        told = world.signer()
        assert (set(told["vouched_by"]) <= {"front", "quay-spare1"}, told["time"]["source"]) == (True, "hub")
        assert told["vouched_by"]
        assert int(world.claim()["token_id"]) == int(first["token_id"]) + 1
    assert world.await_redeemed(2)["claims"] == 2


def test_while_its_hsm_is_out_the_hub_signs_and_it_redeems_and_after_it_the_node_signs_again(world: World) -> None:
    assert world.claim()["node"] == NODE
    with world.hsm_out():
        vouchers = [world.claim() for _ in range(3)]
        assert {one["node"] for one in vouchers} == {f"{NODE}-cloud"}
        assert world.await_redeemed(6, agree=False)["ready"] == 1, "its own signer says that it is out"
    wait_for(lambda: world.told()["geographies"][0]["ready"] == 2, 60, "the node's own signer")
    assert world.claim()["node"] == NODE
    # The claim that met the outage is signed by both: one redeems, the other is superseded.
    assert world.await_redeemed(7)["claims"] in (7, 8)
    world.shared.runbook("hsm-out", world.stack)


def test_a_grant_at_the_hub_is_closed_out_by_its_name_and_its_tokens_are_free(world: World) -> None:
    words = ("closeout", "quay-spare1-cloud", "--drop", world.stack, "--yes", "--json")
    told = json.loads(world.shared.edgedrop(*words).stdout)
    assert (told["now"]["status"], {one["quota"] for one in told["now"]["leases"]}) == ("closed", {0})
    assert world.await_redeemed(7)["agree"]


def test_its_grant_at_the_hub_is_frozen_by_its_name(world: World) -> None:
    done = world.shared.edgedrop("freeze", f"{NODE}-cloud", "--drop", world.stack, "--yes")
    assert "the chain says: frozen" in done.stderr
