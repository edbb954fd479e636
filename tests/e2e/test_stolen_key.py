"""After a theft the chain takes what was honest and proven, all of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import select

from node_image.hub.anchorer.work import Anchorer
from node_image.hub.chain import Chain, Status
from node_image.hub.ledger import checkpoints as points
from node_image.hub.ledger.checkpoints import Pace
from node_image.hub.ledger.tables import checkpoints
from node_image.hub.redemption import Reason
from node_image.hub.relayer.work import Relayer
from node_image.protocol.acts import Unfreeze
from tests.e2e.contract_world import HOLDERS, HUB, RELAYER, account
from tests.e2e.hub_world import missing, wait_for
from tests.e2e.stolen_key import LATE, Stage, exercise, nonce, stage, twice

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
FEW = 24


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage"), 1000) as made:
        yield made


def test_what_a_stolen_key_leaves(on: Stage) -> None:
    seen = exercise(on, FEW)
    assert (seen.anchored, seen.unanchored_before, seen.unanchored_after, seen.forged) == (FEW, 0, FEW, 0)
    assert seen.reasons <= {Reason.UNPROVEN, Reason.NULLIFIER_USED, Reason.TOKEN_TAKEN}


def test_a_key_that_signs_one_number_twice_is_frozen_within_five_seconds(on: Stage) -> None:
    assert twice(on, "quay-spare1", 501) < 5
    wait_for(lambda: all(one["reported_at"] for one in told(on)), 5, "the ledger's note of it")


def test_a_clone_that_redeems_by_itself_is_found_by_its_calls(on: Stage) -> None:
    """It publishes nothing; but what it brings to the chain is compared with the journal."""
    node = on.node("quay-spare3", 701, 20)
    clone = node.clone()
    node.sell(2)
    on.hub.publish(*node.ship())
    on.arrived(node)
    on.submit(clone.vouchers(clone.sell(1, buyer=9_000)))
    wait_for(lambda: on.chain.status(on.contract, node.grant) is Status.FROZEN, 5, "the freeze")


def test_an_unfrozen_grant_redeems_as_before(on: Stage) -> None:
    on.hub.kill("anchorer")
    node = on.node("quay-spare4", 801, 20)
    on.chain.freeze(HOLDERS[0], on.contract, node.grant)
    node.sell(3, buyer=20_000)  # others than those who have one
    on.hub.publish(*node.ship())
    wait_for(lambda: on.counts(node)["pending"] == 3, 20, "vouchers that wait")
    on.two_of_three(Unfreeze(node.grant, nonce(), LATE))
    wait_for(lambda: on.counts(node)["redeemed"] == 3, 20, "their redemption")
    on.hub.start("anchorer")
    on.anchored(node, 0)


def test_a_freeze_between_look_and_call_makes_vouchers_wait(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relayer still thinks the grant open: the chain skips them, and that is no failure."""
    on.hub.kill("anchorer", "relayer")
    try:
        node = on.node("quay-spare5", 821, 20)
        node.sell(3, buyer=21_000)
        on.hub.publish(*node.ship())
        on.arrived(node)
        on.chain.freeze(HOLDERS[0], on.contract, node.grant)
        chain = Chain(on.hub.chain_url)
        monkeypatch.setattr(chain, "status", lambda *_: Status.OPEN)
        Relayer(chain, RELAYER, on.hub.engine).round()
        assert (on.counts(node)["pending"], on.minted(node)) == (3, 0)
    finally:
        on.hub.start("anchorer", "relayer")


def test_a_root_that_a_reorg_took_is_no_proof_any_more(on: Stage) -> None:
    """The vouchers wait again, and the checkpoint is one that the chain lacks."""
    on.hub.kill("anchorer", "relayer")
    try:
        node = on.node("quay-spare6", 841, 20)
        node.sell(3, buyer=22_000)
        on.hub.publish(*node.ship())
        on.arrived(node)
        snapshot = rpc(on, "evm_snapshot")
        Anchorer(on.chain, HUB, on.hub.engine, Pace(0.1, 10)).round()
        assert on.hub.get(f"/v1/anchors/{node.grant}/0").is_success
        rpc(on, "evm_revert", snapshot)
        on.chain.freeze(HOLDERS[0], on.contract, node.grant)
        relayer = Relayer(on.chain, RELAYER, on.hub.engine)
        relayer.round()
        assert (on.counts(node)["pending"], on.minted(node)) == (3, 0)
        assert on.hub.get(f"/v1/anchors/{node.grant}/0").status_code == 404
        assert relayer.round() == 0, "it is not sent again and again"
    finally:
        on.hub.start("anchorer", "relayer")


def rpc(on: Stage, method: str, *told: str) -> str:
    """What anvil alone can do."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(told)}
    return str(httpx.post(on.hub.chain_url, json=asked, timeout=10).json()["result"])


def told(on: Stage) -> list[dict[str, int]]:
    """The equivocations the ledger knows."""
    found: list[dict[str, int]] = on.hub.get("/v1/drops/stolen").json()["equivocations"]
    return found


def test_a_kill_between_send_and_write_anchors_once(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    on.hub.kill("anchorer")
    try:
        node = on.node("quay-spare2", 601, 50)
        node.sell(3)
        on.hub.publish(*node.ship())
        on.arrived(node)
        chain = Chain(on.hub.chain_url)

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(points, "write_anchored", killed)
            anchorer = Anchorer(chain, HUB, on.hub.engine, Pace(0.1, 10))
            with pytest.raises(KeyboardInterrupt):
                anchorer.round()
        spent = chain.balance(account(HUB))
        Anchorer(chain, HUB, on.hub.engine, Pace(0.1, 10)).round()
        assert chain.balance(account(HUB)) == spent, "nothing was sent again"
        with on.hub.engine.connect() as connection:
            row = connection.execute(select(checkpoints).where(checkpoints.c.grant_id == node.grant_id)).one()
        assert row.anchored_tx
        assert chain.covered(on.contract, node.grant, 0) == 3
    finally:
        on.hub.start("anchorer")
