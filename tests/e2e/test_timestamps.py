"""Checkpoints get an authority's timestamp (`openssl ts`), and a receipt carries it; anchoring waits for nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from infra.ops.verify import verify
from node_image.mint.receipts import Ledger
from node_image.protocol import receipt
from node_image.protocol.address import checksummed
from node_image.protocol.receipt import LeaseBody
from node_image.protocol.voucher import Voucher
from tests.e2e.contract_world import ANVIL
from tests.e2e.hub_world import missing, wait_for
from tests.e2e.journal_node import Node
from tests.e2e.stolen_key import Stage, stage
from tests.tsa import Tsa, serving

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(missing()) or not ANVIL.exists(), reason=missing() or "no anvil here: make setup"),
]


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tsa]:
    """It is away at first."""
    with serving(tmp_path_factory.mktemp("tsa")) as made:
        made.status = 503
        yield made


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory, tsa: Tsa) -> Iterator[Stage]:
    """A hub whose anchorer is told of the authority."""
    with stage(tmp_path_factory.mktemp("hub"), 100) as made:
        made.hub.kill("anchorer")
        made.hub.settings |= {"EDGEDROP_TSA_URL": tsa.url, "EDGEDROP_TSA_CA": str(tsa.folder / "ca.pem")}
        made.hub.start("anchorer")
        yield made


def sold(on: Stage, node: Node) -> int:
    """A batch whose root is anchored; its number."""
    number = node.sell(2)
    on.hub.publish(*node.ship())
    on.anchored(node, number)
    return number


def stamped(on: Stage, node: Node, number: int) -> bool:
    """Whether the batch's checkpoint has a timestamp."""
    return on.hub.get(f"/v1/anchors/{node.grant}/{number}").json()["timestamp"] is not None


def test_anchoring_waits_for_no_authority_and_all_are_stamped_when_it_is_back(on: Stage, tsa: Tsa) -> None:
    node = on.node("quay-appliance1", 1, 50)
    batches = [sold(on, node) for _ in range(3)]
    assert not any(stamped(on, node, number) for number in batches)
    tsa.status = 200
    wait_for(lambda: all(stamped(on, node, number) for number in batches), 60, "the timestamps")
    assert len([reply for reply in tsa.replies if reply]) >= len(batches)


def test_a_receipt_carries_it_and_it_verifies(
    on: Stage, tsa: Tsa, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsa.status = 200
    node = on.node("quay-spare1", 51, 40)
    number = sold(on, node)
    wait_for(lambda: stamped(on, node, number), 60, "the timestamp")
    made = voucher_of(node, number)
    anchor, _ = asyncio.run(Ledger(f"http://127.0.0.1:{on.hub.ports['ledger']}").about(made))
    lease = LeaseBody(node.lease.start, node.lease.quota, node.lease.not_before, node.lease.redeem_by)
    file = tmp_path / "receipt.json"
    file.write_bytes(receipt.to_json(receipt.make(made, 1, lease, anchor=anchor)))
    verify(file, rpc=on.hub.chain_url, tsa_ca=tsa.folder / "ca.pem", as_json=True)
    steps = {step["name"]: step for step in json.loads(capsys.readouterr().out)["steps"]}
    assert steps["timestamp"]["checked"], steps["timestamp"]
    assert steps["anchor"]["checked"], steps["anchor"]


def voucher_of(node: Node, number: int) -> Voucher:
    """The batch's first voucher as its buyer holds it."""
    told = node.vouchers(number)[0]
    claim_id = node.state.batches[number].claims[0].claim_id
    about = {"schema": 1, "claim_id": claim_id, "drop": node.drop, "node": node.name, "chain_id": node.chain_id}
    leaf = {"grantId": node.grant, **told["voucher"]}
    contract = checksummed(bytes.fromhex(node.contract[2:]))
    return msgspec.convert({**told, **about, "contract": contract, "voucher": leaf}, Voucher)
