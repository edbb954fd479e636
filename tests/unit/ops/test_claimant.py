"""The demo's buyer takes no voucher that the chain would refuse."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from infra.ops.claimant import BATCH_FIELDS, VOUCHER_FIELDS, _binary, _struct_hash, _typed, check_voucher

KEY = Account.from_key("0x" + "11" * 32)
BUYER = Account.from_key("0x" + "22" * 32).address
GRANT = "0x" + "33" * 32


def voucher(**changes: Any) -> dict[str, Any]:
    """A lone voucher signed by the grant's key."""
    made: dict[str, Any] = {
        "chain_id": 31337,
        "contract": "0x" + "44" * 20,
        "voucher": {
            "grantId": GRANT,
            "tier": 0,
            "seq": 3,
            "to": BUYER,
            "claimKey": "0x" + "00" * 20,
            "slot": 0,
            "claimHash": "0x" + keccak(text="c").hex(),
        },
        "proof": [],
    }
    root = _struct_hash("Voucher", VOUCHER_FIELDS, made["voucher"], made)
    made["batch"] = {"grantId": GRANT, "batchSeq": 0, "root": "0x" + root.hex(), "count": 1, "issuedAt": 1_790_000_000}
    signable = _typed(31337, made["contract"], "Batch", BATCH_FIELDS, _binary(made["batch"]))
    made["signature"] = "0x" + bytes(KEY.sign_message(signable).signature).hex()
    return made | changes


def test_a_good_voucher_is_taken() -> None:
    assert check_voucher(voucher(), BUYER, {GRANT: KEY.address}) == ""


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"proof": ["0x" + "55" * 32]}, "not under the batch's root"),
        ({"chain_id": 1}, "not under the batch's root|not by its grant's key"),
    ],
)
def test_a_bad_one_is_refused_with_the_reason(wrong: dict[str, Any], says: str) -> None:
    found = check_voucher(voucher(**wrong), BUYER, {GRANT: KEY.address})
    assert any(part in found for part in says.split("|")), found


def test_one_for_another_buyer_is_refused() -> None:
    assert check_voucher(voucher(), KEY.address, {GRANT: KEY.address}) == "it is somebody else's"


def test_one_signed_by_a_stranger_is_refused() -> None:
    assert "not by its grant's key" in check_voucher(voucher(), BUYER, {GRANT: BUYER})
