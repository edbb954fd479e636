"""What nodes and ledger answer is read as they write it; who does not answer has a reason for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import httpx
import pytest

from infra.ops import collect
from infra.ops.drops import open_drop
from infra.plan import plan_drop
from infra.plan.model import HubAddresses
from node_image.hub.chain import ChainFault
from node_image.signer.client import SignerAway
from tests.accounts import ACCOUNTS

NOWHERE = HubAddresses(20, *("127.0.0.1" for _ in fields(HubAddresses)[1:]))
LEDGER = {
    "drop": "harbour-lights",
    "grants": [
        {"node": "quay-appliance1", "geo": "quay", "epoch": 1, "grant_id": "0xaa", "journal_seq": None, "head": None}
        | {"vouchers": 2, "issued": 0, "redeemed": 1, "superseded": 1, "unpaid": 0, "failed": 0}
    ],
    "token_ids": ["1", "340282366920938463463374607431768211456"],
    "redeemed_ids": ["1"],
    "faults": [],
}
STATUS = {"drop": "harbour-lights", "node": "quay-appliance1", "ready": True, "reason": "", "grant_id": "0xaa"} | {
    "key": "0xbb", "head": "cc", "journal_seq": 9, "durable_seq": 9, "issued": {"0": 3}, "left": {"0": 1}, "leases": []
} | {"claims": 3, "p50_ms": 1.2, "p99_ms": None}  # fmt: skip


def client(answers: dict[str, Any], asked: list[str]) -> httpx.Client:
    """One whose peer gives these answers by path."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        found = answers.get(request.url.path)
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_the_ledgers_answer() -> None:
    asked: list[str] = []
    said = collect._ledger(client({"/v1/drops/harbour-lights": LEDGER}, asked), NOWHERE, "harbour-lights")
    assert asked == ["http://127.0.0.1:8080/v1/drops/harbour-lights"]
    assert (said.token_ids, said.redeemed_ids) == (frozenset({1, 2**128}), frozenset({1}))
    assert (said.grants[0].superseded, said.grants[0].head) == (1, None)


@pytest.mark.parametrize(("address", "host"), [("10.0.0.1", "10.0.0.1"), ("2001:db8::1", "[2001:db8::1]")])
def test_a_mints_answer(address: str, host: str) -> None:
    asked: list[str] = []
    said = collect._node(client({"/v1/status": STATUS}, asked), address)
    assert asked == [f"http://{host}:8080/v1/status"]
    assert (said.journal_seq, said.issued, said.p50_ms, said.p99_ms) == (9, {"0": 3}, 1.2, None)


def test_a_mint_whose_signer_is_away() -> None:
    away = {"drop": "d", "node": "n", "geo": "g", "ready": False, "reason": "no socket", "claims": 0, "p50_ms": None}
    said = collect._node(client({"/v1/status": away}, []), "10.0.0.1")
    assert (said.ready, said.journal_seq) == (False, None)


def test_who_is_silent_is_named_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    _, file = open_drop("harbour-lights")
    plan = plan_drop(file, stack="x", slot=20, accounts=ACCOUNTS, manifest_digest="0x" + "ab" * 32)

    def refuse(fault: Exception) -> Callable[..., Any]:
        def asked(*_: object) -> Any:
            raise fault

        return asked

    monkeypatch.setattr(collect, "_node", refuse(httpx.ConnectTimeout("")))
    monkeypatch.setattr(collect, "_cloud", refuse(SignerAway("no hub")))
    monkeypatch.setattr(collect, "_ledger", refuse(httpx.ConnectError("refused")))
    monkeypatch.setattr(collect, "_minted", refuse(ChainFault("no block")))
    seen = collect.collect(plan, NOWHERE)
    assert (seen.ledger, seen.chain, set(seen.nodes.values())) == (None, None, {None})
    assert seen.silent == {node.name: "no answer in 2 s" for node in plan.nodes} | {
        **{grant.name: "no hub" for grant in plan.cloud},
        "the ledger": "refused",
        "the chain": "no block",
    }
