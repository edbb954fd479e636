"""A node's next epoch under load: no buyer meets it, the vouchers of both epochs redeem, a killed rotation goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from infra import epochs, stacks
from infra.ops import status
from infra.ops.claimant import Buyer, Got
from infra.ops.selling import sell
from infra.plan.model import Node
from node_image.hub.chain import Chain
from tests.e2e.standing import Standing, changes, docker, wait_for

pytestmark = pytest.mark.e2e

PER_SECOND, AT_A_TIME, MOST = 8, 16, 1000
APPLIANCE, SPARE = "quay-appliance1", "quay-spare1"


@pytest.fixture(scope="module")
def stack(shared: Standing, quay: str) -> Iterator[str]:
    """The drop that stands, asked in this process, too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EDGEDROP_HOME", str(shared.home))
        yield quay


def buyer(stack: str) -> Buyer:
    """With the keys of all grants as the chain has them."""
    plan, hub = status.places(stacks.load(stack))
    chain = Chain(hub.chain_url)
    return Buyer(
        plan, {one.grant_id: chain.grant_key(plan.contract.address, one.grant_id) or "" for one in plan.grants}
    )


def bought(stack: str, claims: int) -> list[Got]:
    """So many claims at the front."""
    one = buyer(stack)
    (geo,) = one.plan.geographies
    return sell(one, {geo.name: geo.front_url}, [(geo.name, 0)] * claims, per_second=PER_SECOND)


def grants(got: list[Got]) -> set[str]:
    return {one.voucher["voucher"]["grantId"] for one in got if one.voucher}


def of_grant(got: list[Got], grant_id: str) -> Got:
    return next(one for one in got if one.voucher and one.voucher["voucher"]["grantId"] == grant_id)


def node_of(stack: str, name: str) -> Node:
    return next(node for node in buyer(stack).plan.nodes if node.name == name)


def agreed(stack: str) -> bool:
    return status.report_of(stack).agree


def test_rotate_while_claims_run(shared: Standing, stack: str, tmp_path: Path) -> None:
    earlier = status.report_of(stack).geographies[0].claims
    before = bought(stack, 3 * AT_A_TIME)
    meanwhile: list[Got] = []
    with ThreadPoolExecutor(1) as aside:
        rotation = aside.submit(shared.runbook, "rotate", stack)
        while not rotation.done() and len(meanwhile) < MOST:
            meanwhile += bought(stack, AT_A_TIME)
        rotation.result()
    after = bought(stack, 3 * AT_A_TIME)

    everything = [*before, *meanwhile, *after]
    assert [one.failures for one in everything if one.failures] == [], docker("logs", f"{stack}-quay-front")[-4000:]
    checker = buyer(stack)
    for one in everything:
        assert one.voucher is not None
        checker.check(one.wish, one.voucher)
    first, second = node_of(stack, APPLIANCE).each()
    spare = node_of(stack, SPARE).grant_id  # a node that is just back is given few claims at a time: it may have some
    assert first.grant_id in grants(before) <= {first.grant_id, spare}
    assert second.grant_id in grants(after) <= {second.grant_id, spare}
    assert spare in grants(meanwhile)
    assert len({one.voucher["token_id"] for one in everything if one.voucher}) == len(everything)

    front = checker.plan.geographies[0].front_url
    old, new = of_grant(before, first.grant_id), of_grant(after, second.grant_id)
    for one in (old, new):
        again = httpx.post(f"{front}/v1/claims", json=dict(one.wish.body), timeout=5)
        assert (again.status_code, again.json()) == (200, one.voucher)
        receipt = tmp_path / f"{one.wish.claim_id}.json"
        receipt.write_bytes(httpx.get(f"{front}/v1/receipts/{one.wish.claim_id}", timeout=5).content)
        assert json.loads(receipt.read_text())["epoch"] == (1 if one is old else 2)
        shared.edgedrop("verify", str(receipt), "--rpc", status.places(stacks.load(stack))[1].chain_url)
    wait_for(lambda: agreed(stack), 60, "journal = ledger = chain")
    (geo,) = status.report_of(stack).geographies
    assert geo.claims == geo.redeemed == earlier + len(everything)
    assert changes(shared.pulumi("up", "--yes", "--skip-preview", stack=stack).stdout) == ""


def test_a_killed_rotation_goes_on_where_it_stood(shared: Standing, stack: str) -> None:
    given = status.report_of(stack).geographies[0].claims
    first = node_of(stack, SPARE)
    shared.killed_when("is closed,", "rotate", SPARE, "--drop", stack, "--close", "--yes")
    assert [one.done for one in epochs.read(stack)[SPARE]] == [False]
    told = json.loads(shared.edgedrop("rotate", SPARE, "--drop", stack, "--yes", "--json").stdout)
    assert (told["epoch"], told["closed"]["status"], told["now"]["status"]) == (2, "closed", "open")
    (lease,), (left,) = told["leases"], told["closed"]["leases"]
    planned = first.leases[0]
    assert (lease["start"], lease["quota"]) == (planned.start + left["quota"], planned.quota - left["quota"])
    assert 0 < left["quota"] < given
    wait_for(lambda: agreed(stack), 60, "journal = ledger = chain")
    (geo,) = status.report_of(stack).geographies
    assert (geo.ready, geo.claims, geo.redeemed) == (2, given, given)


def test_a_box_that_leaves_our_hands_gives_its_keys_up_once_its_grants_are_closed(shared: Standing, stack: str) -> None:
    release = ("command", APPLIANCE, "release-keys", "--drop", stack, "--yes")
    refused = shared.edgedrop(*release, check=False)
    assert refused.returncode == 1, refused.stderr
    assert f"(not_closed): epoch 2 of {APPLIANCE} is not closed: edgedrop closeout {APPLIANCE}" in refused.stderr
    _, done = shared.runbook("box-leaves", stack)
    assert f"destroyed for good: enrol/{APPLIANCE}, turn/{APPLIANCE}/1, turn/{APPLIANCE}/2" in done.stderr
    own = f"http://{node_of(stack, APPLIANCE).address}:8080/readyz"
    assert "gave its keys up for good" in httpx.get(own, timeout=5).json()["reason"]
    tokens = ("/var/lib/docker/volumes/edgedrop-tokens/_data", "-name", "*.object", "!", "-name", "token.object")
    found = docker("exec", f"{stack}-{APPLIANCE}", "find", *tokens)
    assert found == "", "no key is left in the token"
