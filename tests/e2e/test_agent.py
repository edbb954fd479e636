"""The page for a box that must be mended from afar, on a node that Pulumi built; and what its agent does beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from infra import stacks
from infra.ops import status
from infra.ops.claimant import Buyer, send
from infra.ops.served import in_service
from tests.e2e.reimaging import NODE, address, box
from tests.e2e.standing import Standing, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def _home(shared: Standing) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EDGEDROP_HOME", str(shared.home))
        yield


def ready(stack: str) -> bool:
    try:
        return httpx.get(f"{address(stack)}/readyz", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def at_front(stack: str) -> set[str]:
    """The nodes that the front sends claims to."""
    with httpx.Client(timeout=5, trust_env=False) as client:
        return in_service(client, status.places(stacks.load(stack))[0].geographies[0])


def test_the_page_mends_a_hung_mint_and_tells_the_box_the_rest(shared: Standing, quay: str) -> None:
    wait_for(lambda: ready(quay), 30, "the node")
    box(quay, "pkill", "-STOP", "-f", "node_image.mint")
    assert not ready(quay)
    recovered, logs, *_, drained, lifted = shared.runbook("recover", quay)
    assert "mint: done, and it helped" in recovered.stderr
    assert f"{NODE}: it answers" in recovered.stderr
    assert "the logs are in build/logs.tar.gz" in logs.stderr
    assert "it takes no new claim until it is told undrain" in drained.stderr
    assert "it takes claims again" in lifted.stderr
    wait_for(lambda: ready(quay), 30, "the node again")


def test_a_drained_box_takes_nothing_new_and_its_front_sees_it(shared: Standing, quay: str) -> None:
    wait_for(lambda: NODE in at_front(quay), 20, "the node at its front")
    plan, _ = status.places(stacks.load(quay))
    buyer, command = Buyer(plan), ("command", NODE, "--drop", quay, "--yes")
    with httpx.Client(trust_env=False, timeout=5) as client:
        sold = buyer.wish(0)
        first = send(client, address(quay), "quay", sold)
        shared.edgedrop(*command[:2], "drain", *command[2:], "--reason", "a new disk")
        assert send(client, address(quay), "quay", sold).voucher == first.voucher, "what it sold is answered"
        refused = client.post(f"{address(quay)}/v1/claims", json=buyer.wish(0).body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "drained")
        wait_for(lambda: at_front(quay) == {"quay-spare1"}, 5, "the front without it")
        told = json.loads(shared.edgedrop(*command[:2], "status", *command[2:], "--json").stdout)
        assert told["outcome"]["status"]["drained"] == "drained by the responder: a new disk"
        shown = shared.edgedrop("status", quay, check=False).stdout
        assert f"not ready {NODE}: drained by the responder: a new disk" in shown
        shared.edgedrop(*command[:2], "undrain", *command[2:])
        wait_for(lambda: NODE in at_front(quay), 20, "the node at its front")
