"""Signatures as the contract reads them: low s, v of 27 or 28, a signer that is the right one."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey

from node_image.protocol import eip712
from node_image.protocol.errors import NotVerified
from node_image.protocol.signature import ORDER, address_of, recover, to_rsv

KEY = PrivateKey(b"\x11" * 32)
PUBLIC = KEY.public_key.format(compressed=False)


def test_an_address_is_the_end_of_the_public_keys_hash() -> None:
    assert address_of(PUBLIC).hex() == "19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"  # eth-account's word


@pytest.mark.parametrize("high", [False, True], ids=["low s", "high s"])
def test_a_raw_signature_of_an_hsm_becomes_one_that_recovers(high: bool) -> None:
    digest = eip712.keccak(b"anything")
    raw = KEY.sign_recoverable(digest, hasher=None)[:64]
    if high:
        raw = raw[:32] + (ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    assert recover(digest, to_rsv(digest, raw, PUBLIC)) == address_of(PUBLIC)


def test_a_signature_of_another_key_is_not_taken_for_the_hsms() -> None:
    digest = eip712.keccak(b"anything")
    with pytest.raises(NotVerified):
        to_rsv(digest, PrivateKey().sign_recoverable(digest, hasher=None)[:64], PUBLIC)


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(65), bytes(64) + b"\x1b", b"\x01" * 64 + b"\x1d", b"\x01" * 32 + b"\xff" * 32 + b"\x1b", b"\xff" * 65],
)
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(NotVerified):
        recover(eip712.keccak(b"anything"), signature)


def test_the_same_signature_with_the_other_s_is_refused() -> None:
    digest = eip712.keccak(b"anything")
    good = to_rsv(digest, KEY.sign_recoverable(digest, hasher=None)[:64], PUBLIC)
    turned = good[:32] + (ORDER - int.from_bytes(good[32:64])).to_bytes(32) + bytes([55 - good[64]])
    with pytest.raises(NotVerified, match="lower half"):
        recover(digest, turned)
