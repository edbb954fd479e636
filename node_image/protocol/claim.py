"""What a buyer asks, and whether the buyer's wallet signed it: all that the signer's helper process needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from node_image.protocol.eip712 import claim_hash, claim_struct_hash, digest
from node_image.protocol.errors import NotVerified
from node_image.protocol.signature import recover


@dataclass(frozen=True, slots=True)
class Claim:
    """What a buyer asks: `to` is 20 bytes, `signature` the wallet's over (drop, tier, slot, claim)."""

    claim_id: str
    tier: int
    to: bytes
    slot: int
    signature: bytes


def not_the_wallets(drop: str, separator: bytes, claim: Claim) -> str:
    """What is wrong with the claim's signature, or nothing; depends on the claim alone."""
    hashed = claim_struct_hash(drop, claim.tier, claim.slot, claim_hash(claim.claim_id))
    try:
        signer = recover(digest(separator, hashed), claim.signature)
    except NotVerified as fault:
        return str(fault)
    return "" if signer == claim.to else "the claim is not signed by the wallet it is for"
