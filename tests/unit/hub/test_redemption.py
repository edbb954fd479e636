"""What was called is read back: the batches of a call, whoever made it."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from node_image.hub import redemption
from node_image.hub.redemption import ITEM, REDEEM, SIGNED_BATCH, batches_in, call_data, selector, signed_batch
from node_image.protocol.eip712 import Batch

BATCHES = [Batch(bytes([n]) * 32, n, bytes([n + 9]) * 32, 2, 1_790_000_000 + n) for n in (1, 2)]
SIGNATURES = [bytes([n]) * 65 for n in (1, 2)]


def voucher(at: int, **extra: Any) -> dict[str, Any]:
    """One of batch `at`."""
    batch = BATCHES[at]
    header = {"grantId": "0x" + batch.grant_id.hex(), "batchSeq": batch.batch_seq, "root": "0x" + batch.root.hex()}
    body = {"tier": 0, "seq": at, "slot": 0, "to": "0x" + "0a" * 20, "claimKey": "0x" + "00" * 20}
    return {
        "voucher": body | {"claimHash": "0x" + "0c" * 32},
        "proof": ["0x" + "0d" * 32],
        "batch": header | {"count": batch.count, "issuedAt": batch.issued_at},
        "signature": "0x" + SIGNATURES[at].hex(),
        "price_wei": "0",
        **extra,
    }


def single() -> bytes:
    """A call of `redeem`."""
    item = (0, 0, 0, 0, "0x" + "0a" * 20, "0x" + "00" * 20, bytes(32), [bytes(32)])
    return selector(REDEEM) + encode([SIGNED_BATCH, ITEM], [signed_batch(voucher(0)), item])


def test_the_batches_of_each_kind_of_call() -> None:
    both = list(zip(BATCHES, SIGNATURES, strict=True))
    checkpoint = {"root": "0x" + "0e" * 32, "proof": []}
    assert batches_in(call_data([voucher(0), voucher(1), voucher(0)])) == both
    assert batches_in(call_data([voucher(0, checkpoint=checkpoint), voucher(1)])) == both
    assert batches_in(single()) == both[:1]


@pytest.mark.parametrize(
    "call", [b"", b"\1\2\3\4", call_data([voucher(0)])[:90], redemption.selector(REDEEM) + b"\xff" * 200]
)
def test_a_call_that_redeems_nothing_brings_none(call: bytes) -> None:
    assert batches_in(call) == []
