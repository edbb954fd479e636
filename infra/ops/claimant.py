"""A buyer's client: signs a claim, sends it until it is answered, and believes no voucher that eth-account doesn't.

Checks by the contract's rules with a library of its own (`eth_account` for EIP-712, `eth_utils` for Keccak-256), so
that our hashing can't vouch for itself.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from infra.errors import NotVerified
from infra.plan.model import DropPlan, Lease

PATIENCE_S = 15.0
ATTEMPT_S = 5.0
PAUSE_S = 0.2
OK = (200, 201)
AGAIN = (202, 502, 503, 504)
ZERO = "0x" + "00" * 20
CLAIM = {"drop": "string", "tier": "uint8", "slot": "uint8", "claimHash": "bytes32"}
BATCH = {"grantId": "bytes32", "batchSeq": "uint64", "root": "bytes32", "count": "uint32", "issuedAt": "uint64"}
VOUCHER = {
    "grantId": "bytes32",
    "tier": "uint8",
    "seq": "uint32",
    "to": "address",
    "claimKey": "address",
    "slot": "uint8",
    "claimHash": "bytes32",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer wants, signed: the same wish sent again is the same claim."""

    claim_id: str
    tier: int
    to: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Got:
    """What came of it; `failures` are the tries that the buyer saw fail, `voucher` is None where all did."""

    wish: Wish
    geography: str
    node: str
    milliseconds: float
    voucher: dict[str, Any] | None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Buyer:
    """Makes wishes for a drop and checks what it is given; `keys` are the grants' keys as the chain has them."""

    plan: DropPlan
    keys: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _domain(self) -> dict[str, object]:
        contract = self.plan.contract
        told = {"name": "Edgedrop", "version": "1", "chainId": contract.chain_id}
        return told | {"verifyingContract": to_checksum_address(contract.address)}

    @cached_property
    def _leases(self) -> dict[tuple[str, int], Lease]:
        return {(one.grant_id, lease.tier): lease for one in self.plan.grants for lease in one.leases}

    def wish(self, tier: int, wallet: LocalAccount | None = None, slot: int = 0) -> Wish:
        """A signed claim for one token of the tier, by a wallet of its own where none is given."""
        wallet = wallet or Account.create()
        claim_id = uuid.uuid4().hex
        told = {"drop": self.plan.drop, "tier": tier, "slot": slot, "claimHash": keccak(text=claim_id)}
        signed = wallet.sign_message(self._typed("Claim", CLAIM, told))
        name = self.plan.tiers[tier].name
        body = {"claim_id": claim_id, "tier": name, "to": wallet.address, "slot": slot}
        return Wish(claim_id, tier, wallet.address, body | {"signature": "0x" + signed.signature.hex()})

    def check(self, wish: Wish, voucher: Mapping[str, Any]) -> None:
        """NotVerified unless the chain would mint this voucher, for this wish and no other."""
        body, batch = voucher["voucher"], voucher["batch"]
        lease = self._leases.get((body["grantId"], body["tier"]))
        root = self._typed("Voucher", VOUCHER, body).body
        for sibling in voucher["proof"]:
            root = keccak(b"".join(sorted((root, bytes.fromhex(sibling.removeprefix("0x"))))))
        signer = Account.recover_message(self._typed("Batch", BATCH, batch), signature=voucher["signature"])
        for rule, kept in {
            "it answers this claim": voucher["claim_id"] == wish.claim_id
            and body["claimHash"] == "0x" + keccak(text=wish.claim_id).hex(),
            "it is for this wallet": body["to"].lower() == wish.to.lower() and body["claimKey"] == ZERO,
            "it is of this tier and slot": (body["tier"], body["slot"]) == (wish.tier, wish.body["slot"]),
            "its token is in the grant's lease": lease is not None
            and body["seq"] < lease.quota
            and voucher["token_id"] == str(lease.start + body["seq"]),
            "its leaf is under the batch's root": root.hex() == batch["root"].removeprefix("0x"),
            "voucher and batch name one grant": batch["grantId"] == body["grantId"],
            "the grant's key signed the batch": signer == self.keys.get(body["grantId"]),
        }.items():
            if not kept:
                raise NotVerified(f"voucher of claim {wish.claim_id}: not so: {rule}", "do not accept it")

    def _typed(self, kind: str, fields: Mapping[str, str], told: Mapping[str, object]) -> SignableMessage:
        types = {kind: [{"name": name, "type": of} for name, of in fields.items()]}
        return encode_typed_data(self._domain, types, dict(told))


def send(client: httpx.Client, front: str, geography: str, wish: Wish) -> Got:
    """Post the wish to the front; after a failure the same again, with jitter, for PATIENCE_S at most."""
    begun, failures = time.monotonic(), list[str]()
    while True:
        node, status, told = _post(client, front, wish)
        spent = time.monotonic() - begun
        if status in OK:
            return Got(wish, geography, node, spent * 1000, told, tuple(failures))
        failures.append(f"{node or 'no node'}: {status or 'no answer'} {told.get('error', {}).get('code', '')}".strip())
        if (status is not None and status not in AGAIN) or spent > PATIENCE_S:
            return Got(wish, geography, node, spent * 1000, None, tuple(failures))
        time.sleep(PAUSE_S * random.uniform(0.5, 1.5))  # noqa: S311  jitter is no secret


def _post(client: httpx.Client, front: str, wish: Wish) -> tuple[str, int | None, dict[str, Any]]:
    try:
        answer = client.post(f"{front}/v1/claims", json=dict(wish.body), timeout=ATTEMPT_S)
        return answer.headers.get("X-Edgedrop-Node", ""), answer.status_code, answer.json()
    except (httpx.HTTPError, ValueError) as fault:
        return "", None, {"error": {"code": f"{type(fault).__name__}: {fault}"}}
