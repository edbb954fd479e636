"""An elastic spare by the real hub: it comes by load, whoever is killed meanwhile, sells, and goes without a loss."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from infra import elastic, stacks
from infra.ops import status
from infra.ops.claimant import Buyer
from infra.ops.place import find_place
from infra.ops.selling import sell
from infra.ops.standing import standing
from node_image.hub.chain import Chain, Status
from tests.e2e.standing import Standing, changes, labelled, wait_for

pytestmark = pytest.mark.e2e

SPARE, CLAIMS, ASKERS = "quay-spare2", 12, 12


@pytest.fixture(scope="module")
def stack(shared: Standing, quay: str) -> Iterator[str]:
    """The drop that stands, asked in this process, too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EDGEDROP_HOME", str(shared.home))
        yield quay


@contextmanager
def load(url: str) -> Iterator[None]:
    """Some who ask without a pause what takes a claim's way through the front and claims nothing."""
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=5, trust_env=False) as client:
            while not over.is_set():
                client.get(f"{url}/v1/drop")

    askers = [threading.Thread(target=ask) for _ in range(ASKERS)]
    for one in askers:
        one.start()
    try:
        yield
    finally:
        over.set()
        for one in askers:
            one.join()


def scale_of(shared: Standing, stack: str) -> dict[str, Any]:
    """What `edgedrop status` tells of the quay's."""
    told = json.loads(shared.edgedrop("status", stack, "--json", check=False).stdout)
    (found,) = told["autoscale"]
    return dict(found)


def test_it_comes_by_load_and_the_hub_may_be_killed_meanwhile(shared: Standing, stack: str) -> None:
    plan, _ = status.places(stacks.load(stack))
    with load(plan.geographies[0].front_url):
        shared.killed_when("to come up", "autoscale", stack)
        assert elastic.of(stack, "quay").at("coming") == (SPARE,), "on record before anything is made"
        shared.edgedrop("autoscale", stack, "--once")
    told = scale_of(shared, stack)
    assert [(one["node"], one["stage"]) for one in told["stints"]] == [(SPARE, "up")]
    assert "from 1 % on one more comes" in told["acted"]["why"]
    assert 0 < told["spent_spare_hours"] < told["budget_spare_hours"]


def test_a_persons_up_knows_nothing_of_it(shared: Standing, stack: str) -> None:
    assert changes(shared.pulumi("up", "--yes", "--skip-preview", stack=stack).stdout) == ""
    assert f"{stack}.quay.elastic" not in shared.pulumi("stack", "ls").stdout
    refused = shared.edgedrop("up", f"{stack}.quay.elastic", "--yes", check=False)
    assert (refused.returncode, refused.stderr.startswith("error: ")) == (2, True)


def test_it_sells_and_goes_and_nothing_is_lost(shared: Standing, stack: str) -> None:
    plan, hub = status.places(stacks.load(stack))
    before, (geo,), (spare,) = status.report_of(stack).geographies[0], plan.geographies, plan.stood
    key = Chain(hub.chain_url).grant_key(plan.contract.address, spare.grant_id) or ""
    buyer = Buyer(plan, {spare.grant_id: key})
    shared.edgedrop("failover", "quay", "--to", SPARE, "--drop", stack, "--yes")
    got = sell(buyer, {geo.name: geo.front_url}, [(geo.name, 0)] * CLAIMS, per_second=CLAIMS)
    shared.edgedrop("failback", "quay", "--drop", stack, "--yes")
    assert [one.failures for one in got if one.failures] == []
    for one in got:
        assert one.voucher is not None
        buyer.check(one.wish, one.voucher)

    wait_for(lambda: status.report_of(stack).agree, 60, "journal = ledger = chain")
    shared.killed_when("closed out;", "autoscale", stack, "--once")
    assert elastic.of(stack, "quay").at("closing", "closed") == (SPARE,)
    shared.runbook("too-many-buyers", stack)
    assert elastic.of(stack, "quay").at("gone") == (SPARE,)
    assert labelled(f"{stack}.quay.elastic") == []
    assert list(shared.home.rglob("*quay.elastic*")) == []
    ended = standing(find_place(stack, None, None), spare.grant_id)
    assert (ended.status, [lease.quota for lease in ended.leases]) == (Status.CLOSED, [CLAIMS])
    after = status.report_of(stack).geographies[0]
    assert (after.claims - before.claims, after.redeemed - before.redeemed) == (CLAIMS, CLAIMS)
    acts = [(one["what"], one["result"]) for one in json.loads(shared.edgedrop("audit", stack, "--json").stdout)]
    for what in ("autoscale up", "autoscale down"):
        assert [result for act, result in acts if act == what] == ["begun", "done"]
