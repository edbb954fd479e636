"""What a buyer asks, and whether who it is for signed it: all that the signer's helper process needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from node_image.protocol.eip712 import (
    ZERO_ADDRESS,
    claim_hash,
    claim_struct_hash,
    digest,
    key_claim_struct_hash,
)
from node_image.protocol.errors import NotVerified
from node_image.protocol.signature import recover


@dataclass(frozen=True, slots=True)
class Claim:
    """What a buyer asks: one of `to` and `claim_key` (20 bytes) is not zero, and made `signature` (eip712.py)."""

    claim_id: str
    tier: int
    to: bytes
    slot: int
    signature: bytes
    claim_key: bytes = ZERO_ADDRESS


def not_the_wallets(drop: str, separator: bytes, claim: Claim) -> str:
    """What is wrong with the claim's signature, or nothing; depends on the claim alone."""
    hashed, by_key = claim_hash(claim.claim_id), claim.claim_key != ZERO_ADDRESS
    if by_key:
        struct = key_claim_struct_hash(drop, claim.tier, hashed)
    else:
        struct = claim_struct_hash(drop, claim.tier, claim.slot, hashed)
    try:
        signer = recover(digest(separator, struct), claim.signature)
    except NotVerified as fault:
        return str(fault)
    if by_key:
        return "" if signer == claim.claim_key else "the claim is not signed by its claim key"
    return "" if signer == claim.to else "the claim is not signed by the wallet it is for"
