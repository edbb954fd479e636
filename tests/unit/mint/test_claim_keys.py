"""A buyer with a claim key at the mint: the voucher, whom the key names, and what each no says."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest

from node_image.protocol import frames, voucher
from node_image.protocol.journal import Kind
from node_image.protocol.voucher import Voucher
from tests.unit.mint.test_reserves import mint
from tests.unit.protocol.world import NOW, address, claim, key_claim, receive, wallet
from tests.unit.signer.box import Box, said

RECEIVER = b"\x0b" * 20


def posted(name: str, key: int = 0) -> dict[str, object]:
    """What the page posts."""
    asked = key_claim(name, key)
    told = {"claim_id": name, "tier": "print", "claim_key": "0x" + asked.claim_key.hex(), "slot": 0}
    return told | {"signature": "0x" + asked.signature.hex()}


def named(made: Voucher, receiver: bytes = RECEIVER, key: int = 0) -> dict[str, str]:
    """What the page puts then."""
    word = receive(voucher.leaf_of(made.voucher).struct_hash(), receiver, key)
    return {"receiver": "0x" + receiver.hex(), "signature": "0x" + word.hex()}


async def bought(http: httpx.AsyncClient, name: str) -> Voucher:
    answer = await http.post("/v1/claims", json=posted(name))
    assert answer.status_code == 201, answer.text
    return msgspec.json.decode(answer.content, type=Voucher)


async def test_a_token_is_claimed_by_key_and_its_receiver_named_later(tmp_path: Path) -> None:
    box = Box(tmp_path)
    signer = await box.start()
    await box.vouch(signer)
    async with mint(box, signer) as http:
        made = await bought(http, "a")
        assert made.voucher.claim_key == "0x" + address(wallet(0)).hex()
        receipt = (await http.get("/v1/receipts/a")).json()
        assert receipt["voucher"]["voucher"]["claimKey"] == made.voucher.claim_key
        code = await http.get("/v1/claims/a/qr")
        assert (code.status_code, code.headers["Content-Type"]) == (200, "image/svg+xml")
        assert (await http.get("/v1/claims/nobody/qr")).status_code == 404
        for _ in range(2):
            answer = await http.put("/v1/claims/a/receiver", json=named(made))
            assert (answer.status_code, answer.json()) == (200, {"receiver": "0x" + RECEIVER.hex()})
        again = await http.post("/v1/claims", json=posted("b"))
        assert (again.status_code, again.json()["error"]["code"]) == (403, "wallet_cap")


@pytest.mark.parametrize(
    ("name", "changes", "status", "code"),
    [
        ("a", {"signature": "0x" + "11" * 65}, 400, "bad_claim"),
        ("a", {"receiver": "0x12"}, 400, "bad_claim"),
        ("a", {"more": 1}, 400, "bad_claim"),
        ("nobody", {}, 404, "not_found"),
        ("w", {}, 400, "bad_claim"),
    ],
)
async def test_a_receiver_that_no_key_named_is_refused(
    tmp_path: Path, name: str, changes: dict[str, object], status: int, code: str
) -> None:
    box = Box(tmp_path)
    signer = await box.start()
    await box.vouch(signer)
    await said(signer, claim("w", 1))
    async with mint(box, signer) as http:
        made = await bought(http, "a")
        answer = await http.put(f"/v1/claims/{name}/receiver", json=named(made) | changes)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert Kind.RECEIVE not in box.kinds


async def test_a_closed_journal_sends_the_buyer_to_the_contract(tmp_path: Path) -> None:
    box = Box(tmp_path)
    signer = await box.start()
    await box.vouch(signer)
    async with mint(box, signer) as http:
        made = await bought(http, "a")
        signer._append(Kind.CLOSE, frames.Close(signer.state.high_seqs(2), NOW))
        answer = await http.put("/v1/claims/a/receiver", json=named(made))
    assert (answer.status_code, "contract" in answer.json()["error"]["hint"]) == (410, True)
