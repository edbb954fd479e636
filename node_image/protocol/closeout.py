"""The close-out: the lease key's last word, which cuts each lease down to what was given and frees the rest."""

from __future__ import annotations

from collections.abc import Sequence

from node_image.protocol.eip712 import keccak

CLOSE_OUT_TYPE = keccak(b"CloseOut(bytes32 grantId,uint32[] highSeqs)")


def struct_hash(grant_id: bytes, high_seqs: Sequence[int]) -> bytes:
    """hashStruct(CloseOut): one high seq for each tier of the drop; an array is the hash of its words (EIP-712)."""
    words = b"".join(high.to_bytes(32, "big") for high in high_seqs)
    return keccak(CLOSE_OUT_TYPE + grant_id + keccak(words))
