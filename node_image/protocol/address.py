"""An address as people write it; a node has this without the ABI coder that create2 needs."""

from __future__ import annotations

from node_image.protocol.eip712 import keccak


def checksummed(address: bytes) -> str:
    """With EIP-55's capitals."""
    plain = address.hex()
    marks = keccak(plain.encode()).hex()
    return "0x" + "".join(letter.upper() if mark >= "8" else letter for letter, mark in zip(plain, marks, strict=False))
