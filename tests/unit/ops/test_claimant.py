"""A buyer believes a voucher only by the chain's rules: each rule has a voucher that breaks it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from coincurve import PrivateKey
from eth_account import Account

from infra.errors import NotVerified
from infra.ops import claimant
from infra.ops.claimant import Buyer, Wish, send
from infra.ops.drops import open_drop, plan_of_file
from node_image.protocol import eip712, merkle
from node_image.protocol.signature import address_of

KEY = PrivateKey(b"\7" * 32)
HOLDER = Account.from_key(KEY.secret)


@pytest.fixture
def buyer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buyer:
    """Of the real drop; the first node's grant has our key."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    path, file = open_drop("harbour-lights")
    plan = plan_of_file(path, file, stack="harbour-lights", slot=17)
    return Buyer(plan, {plan.nodes[0].grant_id: HOLDER.address})


def answer(buyer: Buyer, wish: Wish) -> dict[str, Any]:
    """A good voucher in a batch of two, made by the node's own code: the other library."""
    node, lease = buyer.plan.nodes[0], buyer.plan.nodes[0].leases[wish.tier]
    grant, to = bytes.fromhex(node.grant_id[2:]), bytes.fromhex(wish.to[2:])
    leaf = eip712.Voucher(grant, wish.tier, 1, to, bytes(20), 0, eip712.claim_hash(wish.claim_id))
    levels = merkle.tree([leaf.struct_hash(), b"\1" * 32])
    batch = eip712.Batch(grant, 1, levels[-1][0], 2, 1_800_000_000)
    domain = eip712.Domain(buyer.plan.contract.chain_id, bytes.fromhex(buyer.plan.contract.address[2:]))
    raw = KEY.sign_recoverable(eip712.digest(domain.separator, batch.struct_hash()), hasher=None)
    return {
        "claim_id": wish.claim_id,
        "token_id": str(lease.start + 1),
        "voucher": {
            "grantId": node.grant_id,
            "tier": wish.tier,
            "seq": 1,
            "to": wish.to.lower(),
            "claimKey": claimant.ZERO,
            "slot": 0,
            "claimHash": "0x" + leaf.claim_hash.hex(),
        },
        "proof": ["0x" + sibling.hex() for sibling in merkle.proof(levels, 0)],
        "batch": {"grantId": node.grant_id, "batchSeq": 1, "root": "0x" + batch.root.hex(), "count": 2}
        | {"issuedAt": batch.issued_at},
        "signature": "0x" + (raw[:64] + bytes([27 + raw[64]])).hex(),
        "price_wei": "0",
    }


def test_what_the_nodes_own_code_signed_is_good(buyer: Buyer) -> None:
    wish = buyer.wish(0)
    buyer.check(wish, answer(buyer, wish))


def test_a_wish_is_signed_as_the_signer_reads_it(buyer: Buyer) -> None:
    wish = buyer.wish(1)
    domain = eip712.Domain(buyer.plan.contract.chain_id, bytes.fromhex(buyer.plan.contract.address[2:]))
    struct = eip712.claim_struct_hash(buyer.plan.drop, 1, 0, eip712.claim_hash(wish.claim_id))
    raw = bytes.fromhex(str(wish.body["signature"])[2:])
    signer = KEY.public_key.from_signature_and_message(
        raw[:64] + bytes([raw[64] - 27]), eip712.digest(domain.separator, struct), hasher=None
    )
    assert "0x" + address_of(signer.format(compressed=False)).hex() == wish.to.lower()


def _set(part: str, field: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda voucher: (voucher[part] if part else voucher).__setitem__(field, value)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (_set("", "claim_id", "another"), "answers this claim"),
        (_set("voucher", "claimHash", "0x" + "11" * 32), "answers this claim"),
        (_set("voucher", "to", "0x" + "22" * 20), "for this wallet"),
        (_set("voucher", "claimKey", "0x" + "22" * 20), "for this wallet"),
        (_set("voucher", "slot", 1), "tier and slot"),
        (_set("voucher", "seq", 10_000), "in the grant's lease"),
        (_set("", "token_id", "63"), "in the grant's lease"),
        (_set("voucher", "grantId", "0x" + "33" * 32), "in the grant's lease"),
        (_set("", "proof", []), "under the batch's root"),
        (_set("batch", "root", "0x" + "44" * 32), "under the batch's root"),
        (_set("batch", "grantId", "0x" + "33" * 32), "name one grant"),
        (_set("batch", "batchSeq", 2), "signed the batch"),
    ],
)
def test_each_rule_refuses_what_breaks_it(buyer: Buyer, change: Callable[[dict[str, Any]], None], rule: str) -> None:
    wish = buyer.wish(0)
    voucher = copy.deepcopy(answer(buyer, wish))
    change(voucher)
    with pytest.raises(NotVerified, match=rule):
        buyer.check(wish, voucher)


def test_a_grant_that_the_chain_does_not_know_signs_nothing(buyer: Buyer) -> None:
    wish = buyer.wish(0)
    with pytest.raises(NotVerified, match="signed the batch"):
        Buyer(buyer.plan, {}).check(wish, answer(buyer, wish))


def told(*statuses: int) -> httpx.Client:
    """A client whose front answers so, one after the other; 0 is no answer."""
    left = list(statuses)

    def handle(_: httpx.Request) -> httpx.Response:
        status = left.pop(0)
        if status == 0:
            raise httpx.ReadTimeout("nothing came")
        error = {"error": {"code": "not_ready"}}
        return httpx.Response(
            status, json={"claim_id": "c"} if status < 300 else error, headers={"X-Edgedrop-Node": "n"}
        )

    return httpx.Client(transport=httpx.MockTransport(handle))


def test_the_same_wish_is_sent_until_it_is_answered(buyer: Buyer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claimant, "PAUSE_S", 0.0)
    got = send(told(503, 0, 201), "http://front", "quay", buyer.wish(0))
    assert got.voucher == {"claim_id": "c"}
    assert got.failures == ("n: 503 not_ready", "no node: no answer ReadTimeout: nothing came")


def test_a_refusal_is_final(buyer: Buyer) -> None:
    got = send(told(410), "http://front", "quay", buyer.wish(0))
    assert (got.voucher, len(got.failures)) == (None, 1)


def test_patience_ends(buyer: Buyer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claimant, "PATIENCE_S", -1.0)
    assert send(told(503), "http://front", "quay", buyer.wish(0)).voucher is None
