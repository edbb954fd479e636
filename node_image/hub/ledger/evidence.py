"""Evidence out of messages that don't verify: which batches were signed in them, whatever chain they stand in. Pure.

A journal that forked continues from a head we don't hold, so its chain says nothing to us. But a BATCH frame and a
SIGNATURE frame are enough: whether the grant's key signed that batch is told by the two alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cbor2

from node_image.protocol import frames
from node_image.protocol.eip712 import Batch, digest
from node_image.protocol.errors import NotVerified
from node_image.protocol.frames import Header, Kind, Signed
from node_image.protocol.signature import recover

_LENGTH = struct.Struct(">I")
_FIXED = struct.Struct(">BQ")
_HEAD = 32
_COUNT_END, _NUMBER_END = 1 << 32, 1 << 63  # what Batch and the tables can hold


@dataclass(frozen=True, slots=True)
class Found:
    """What a message holds of batches, in its order."""

    headers: tuple[Batch, ...]
    signatures: tuple[Signed, ...]


def read(grant_id: bytes, data: bytes) -> Found:
    """Batch headers and signatures, as far as the frames can be told apart at all."""
    told = list(_told(data))
    headers = [
        Batch(grant_id, one.batch_seq, one.root, one.count, one.issued_at)
        for one in told
        if isinstance(one, Header) and one.count < _COUNT_END and max(one.batch_seq, one.issued_at) < _NUMBER_END
    ]
    signatures = [one for one in told if isinstance(one, Signed) and one.batch_seq < _NUMBER_END]
    return Found(tuple(headers), tuple(signatures))


def signs(separator: bytes, key: bytes, batch: Batch, signature: bytes) -> bool:
    """Whether the grant's key signed this batch."""
    try:
        return recover(digest(separator, batch.struct_hash()), signature) == key
    except NotVerified:
        return False


def signed_json(batch: Batch, signature: bytes) -> dict[str, Any]:
    """A batch with its signature, as a voucher carries them (docs/architecture.md)."""
    header = {"batchSeq": batch.batch_seq, "root": "0x" + batch.root.hex(), "count": batch.count}
    return {
        "batch": {"grantId": "0x" + batch.grant_id.hex(), **header, "issuedAt": batch.issued_at},
        "signature": "0x" + signature.hex(),
    }


def _told(data: bytes) -> Iterator[Header | Signed]:
    for body in _bodies(data):
        kind, _ = _FIXED.unpack_from(body)
        if kind in {Kind.BATCH, Kind.SIGNATURE}:
            try:
                told = frames.typed(Kind(kind), cbor2.loads(body[_FIXED.size :]))
            except (ValueError, cbor2.CBORDecodeError):
                continue
            if isinstance(told, (Header, Signed)):
                yield told


def _bodies(data: bytes) -> Iterator[bytes]:
    """Frames by their lengths alone, until a length leads out of the message."""
    offset = 0
    while len(data) - offset >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(data, offset)
        begin, offset = offset + _LENGTH.size, offset + _LENGTH.size + length
        if length <= _FIXED.size + _HEAD or offset > len(data):
            return
        yield data[begin : offset - _HEAD]
