"""Whom a claim key names: `Receive(leafHash, receiver)`, held against what the contract will hold it against. Pure."""

from __future__ import annotations

from node_image.protocol.acts import receive_hash
from node_image.protocol.eip712 import ZERO_ADDRESS, digest
from node_image.protocol.errors import NotVerified
from node_image.protocol.signature import recover
from node_image.protocol.state import ClaimRecord, JournalState


def wrong_with(state: JournalState, separator: bytes, claim: ClaimRecord, receiver: bytes, signature: bytes) -> str:
    """Why the contract would not mint the claim's token to this receiver; empty where it would."""
    if claim.claim_key == ZERO_ADDRESS:
        return "the claim is for a wallet: it has its receiver"
    if len(receiver) != len(ZERO_ADDRESS) or receiver == ZERO_ADDRESS:
        return "receiver is an address"
    struct = receive_hash(claim.leaf(state.grant_id).struct_hash(), receiver)
    try:
        signer = recover(digest(separator, struct), signature)
    except NotVerified as fault:
        return str(fault)
    return "" if signer == claim.claim_key else "the receiver is not named by the claim key"
