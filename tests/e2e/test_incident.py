"""An incident on a whole drop: the responder's page, typed as it stands, and what the chain says after it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from infra import stacks
from infra.ops import status
from infra.ops.claimant import Buyer, send
from node_image.hub.chain import Chain
from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import Standing, changes, labelled, sweep, wait_for

pytestmark = pytest.mark.e2e
NOBODY = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"


def test_the_page_for_a_suspected_key_freezes_revokes_and_goes_on_from_the_reserve(
    shared: Standing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(shared.home))
    stack = f"lights-{shared.run}"
    file = write_small_drop(tmp_path, "lights", 20)
    file.write_text(file.read_text().replace("pier", "quay"))  # the page's geography
    try:
        shared.edgedrop("up", stack, "--lab", shared.lab, "--file", str(file), "--yes")
        close = shared.edgedrop("closeout", "quay-spare1", "--drop", stack, "--yes", "--json")
        closed = json.loads(close.stdout)
        assert (closed["now"]["status"], {one["quota"] for one in closed["now"]["leases"]}) == ("closed", {0})
        assert "done already" in shared.edgedrop("closeout", "quay-spare1", "--drop", stack, "--yes").stderr
        act = ("fallback", "open", "--geo", "quay", "--drop", stack, "--out", str(tmp_path / "act.json"), "--yes")
        waits = shared.edgedrop(*act)
        assert "type this again without --out: quay-spare1 then sells" in waits.stderr
        froze, revoked, opened = shared.runbook("key-suspected", stack)
        assert "the chain says: frozen" in froze.stderr
        assert "the chain says: revoked for good" in revoked.stderr
        assert "epoch 2 of quay-spare1 was begun before" in opened.stderr
        assert "quay-spare1 sells from it: epoch 2, only 20-20" in opened.stderr
        assert _bought(stack) == "20"
        assert changes(shared.pulumi("up", "--yes", "--skip-preview", stack=stack).stdout) == ""
        shared.runbook("node-lost", stack)
        again = shared.edgedrop("revoke", "quay-appliance1", "--drop", stack, "--json")
        told = json.loads(again.stdout)
        assert (told["already"], told["before"]["issued"], told["now"]["status"]) == (True, 0, "revoked")
        assert not told["unseen"]
        acts = {one["what"]: one["result"] for one in json.loads(shared.edgedrop("audit", stack, "--json").stdout)}
        assert acts == dict.fromkeys(("CloseOut", "Freeze", "OpenGrant", "Revoke"), "done")
        lines = len(json.loads(shared.edgedrop("audit", "--json").stdout))
        whole = f"{shared.lab}: its ledger holds {lines} of them"
        wait_for(lambda: whole in shared.edgedrop("audit").stdout, 20, "the audit trail at the ledger")
    finally:
        shared.edgedrop("down", stack, "--yes", check=False)
        sweep(stack)


def _bought(stack: str) -> str:
    """The token of a claim at the spare, checked with the key that the chain has."""
    plan, hub = status.places(stacks.load(stack))
    chain, spare = Chain(hub.chain_url), plan.nodes[1]
    buyer = Buyer(
        plan, {one.grant_id: chain.grant_key(plan.contract.address, one.grant_id) or "" for one in plan.grants}
    )
    wish = buyer.wish(0)
    with httpx.Client(trust_env=False) as client:
        got = send(client, f"http://{spare.address}:8080", spare.geo, wish)
    assert got.voucher is not None, got.failures
    buyer.check(wish, got.voucher)
    assert got.voucher["voucher"]["grantId"] == spare.each()[1].grant_id
    return str(got.voucher["token_id"])


def test_a_drop_that_is_paid_in_what_is_no_erc20_is_not_brought_up(shared: Standing, tmp_path: Path) -> None:
    stack, file = f"coins-{shared.run}", write_small_drop(tmp_path, "coins", 2)
    priced = f'price_units: 5\n    currency: {{address: "{NOBODY}", symbol: USDX, decimals: 6}}'
    file.write_text(file.read_text().replace("price_gwei: 0", priced))
    try:
        refused = shared.edgedrop("up", stack, "--lab", shared.lab, "--file", str(file), "--yes", check=False)
        assert refused.returncode == 2
        assert "is no contract\nhint: mend the drop file" in refused.stderr
        assert labelled(stack) == []
    finally:
        shared.edgedrop("down", stack, "--yes", check=False)
