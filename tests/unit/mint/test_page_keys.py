"""What the claim page signs with a claim key is what the signer, the contract and the relayer's own encoding take."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import msgspec
import pytest
from eth_account import Account

from infra.home import ROOT, cache
from node_image.hub.redemption import call_data
from node_image.mint.claims import read_claim
from node_image.protocol.claim import Claim, not_the_wallets
from node_image.protocol.eip712 import claim_hash
from node_image.protocol.hexes import unhex
from node_image.protocol.journal import ClaimRecord, JournalState
from node_image.protocol.receiver import wrong_with
from tests.unit.protocol.world import FACTS, SEPARATOR

WORDS = "test test test test test test test test test test test junk"
RECEIVER = "0x" + "0b" * 20
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # of these words in every wallet (BIP-39, BIP-44's first)
BODY = {"grantId": FACTS.grant_id, "tier": 0, "seq": 3, "to": "0x" + "00" * 20, "claimKey": "", "slot": 0}
VOUCHER = {
    "proof": ["0x" + "77" * 32],
    "batch": {"grantId": FACTS.grant_id, "batchSeq": 1, "root": "0x" + "33" * 32, "count": 2, "issuedAt": 5},
    "signature": "0x" + "44" * 65,
    "chain_id": FACTS.chain_id,
    "contract": FACTS.contract,
    "price_wei": "7",
}


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """By node and ethers, from the page's own file."""
    body = BODY | {"claimHash": "0x" + claim_hash(ADDRESS.lower()).hex()}
    told = {"drop": msgspec.to_builtins(FACTS), "tier": {"tier": 0, "name": "print"}, "words": f" {WORDS.upper()}\n"}
    told |= {"receiver": RECEIVER, "voucher": VOUCHER | {"voucher": body}}
    page, script = ROOT / "node_image/mint/page/keys.js", ROOT / "tests/unit/mint/keys.mjs"
    command = ["node", str(script), str(cache() / "npm" / "node_modules"), str(page), json.dumps(told)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_its_claim_is_the_keys(said: dict[str, Any]) -> None:
    asked = Claim(**read_claim(json.dumps(said["claim"]).encode(), FACTS))  # type: ignore[arg-type]
    assert (asked.claim_id, asked.claim_key, asked.to) == (ADDRESS.lower(), unhex(ADDRESS), bytes(20))
    assert not_the_wallets(FACTS.drop, SEPARATOR, asked) == ""


def test_its_words_are_those_of_any_wallet() -> None:
    Account.enable_unaudited_hdwallet_features()
    assert Account.from_mnemonic(WORDS).address == ADDRESS


def test_whom_it_names_is_taken_by_the_signer_and_by_the_contract(said: dict[str, Any]) -> None:
    record = ClaimRecord(ADDRESS.lower(), 0, 3, bytes(20), 0, b"", 1, 0, claim_key=unhex(ADDRESS))
    state = JournalState(grant_id=unhex(FACTS.grant_id))
    named = said["named"]
    assert wrong_with(state, SEPARATOR, record, unhex(RECEIVER), unhex(named["signature"])) == ""
    wanted = call_data([said["voucher"] | {"receive": named}])
    assert said["call"] == {
        "chainId": FACTS.chain_id,
        "to": FACTS.contract,
        "value": "7",
        "data": "0x" + wanted.hex(),
    }
