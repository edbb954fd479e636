"""secp256k1 signatures as Ethereum reads them: r, s, v with s in the lower half (EIP-2) and v of 27 or 28."""

from __future__ import annotations

from coincurve import PublicKey

from node_image.protocol.eip712 import ZERO_ADDRESS, keccak
from node_image.protocol.errors import NotVerified

# SEC 2, section 2.4.1: the group's order.
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
LENGTH = 65
FIRST_V = 27


def address_of(public_key: bytes) -> bytes:
    """The 20-byte address of an uncompressed public key (65 bytes, 0x04 first)."""
    return keccak(public_key[1:])[-20:]


def to_rsv(digest: bytes, raw: bytes, public_key: bytes) -> bytes:
    """An HSM's raw r and s (64 bytes) as the 65 bytes that recover `public_key`.

    Half of an HSM's signatures have a high s: the contract refuses those, so they are turned round here.
    """
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    low = min(s, ORDER - s)
    body = r.to_bytes(32, "big") + low.to_bytes(32, "big")
    for parity in (0, 1):
        recovered = PublicKey.from_signature_and_message(body + bytes([parity]), digest, hasher=None)
        if recovered.format(compressed=False) == public_key:
            return body + bytes([FIRST_V + parity])
    raise NotVerified("the HSM's signature does not recover its own key")


def recover(digest: bytes, signature: bytes) -> bytes:
    """The signer's address; NotVerified for a wrong length, a high s, a bad v or no such point."""
    if len(signature) != LENGTH or signature[64] not in (FIRST_V, FIRST_V + 1):
        raise NotVerified("a signature is 65 bytes with v of 27 or 28")
    if not 0 < int.from_bytes(signature[32:64], "big") <= ORDER // 2:
        raise NotVerified("the signature's s is not in the lower half (EIP-2)")
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - FIRST_V]), digest, hasher=None
        )
    except ValueError as fault:
        raise NotVerified("the signature is no point of the curve") from fault
    address = address_of(key.format(compressed=False))
    if address == ZERO_ADDRESS:
        raise NotVerified("the signature recovers the zero address")
    return address
