"""The holders' acts hash as eth-account hashes them, tell what they do, and gather signatures in any order."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from node_image.protocol import acts, collected
from node_image.protocol.acts import AddRoots, Freeze, Holder, MintLost, OpenGrant, Reclaim, Revoke, Unfreeze
from node_image.protocol.collected import Collected, Signature
from node_image.protocol.eip712 import Domain, digest
from node_image.protocol.errors import NotVerified
from node_image.protocol.lease import Lease

GRANT, CONTRACT = "0x" + "ab" * 32, "0x" + "cd" * 20
KEYS = sorted(("0x" + f"{n}1" * 32 for n in range(1, 4)), key=lambda key: int(Account.from_key(key).address, 16))
HOLDERS = tuple(Holder(Account.from_key(key).address) for key in KEYS)
WALLET = Holder("0x" + "ff" * 20, "erc1271")
MARK: dict[str, Any] = {"grant_id": GRANT, "nonce": str(2**255 + 9), "deadline": 1_800_000_000}
ROOTS, TO = ("0x" + "01" * 32, "0x" + "02" * 32), ("0x" + "77" * 20, "0x" + "78" * 20)
LEASES = (Lease(0, 951, 50, 1, 1_800_000_000), Lease(2, 7, 1, 0, 2**40 - 1))
ACTS: list[tuple[Any, str, dict[str, Any], str]] = [
    (Freeze(**MARK), "", {}, "only vouchers under an anchored checkpoint"),
    (Revoke(**MARK), "", {}, "for good"),
    (Unfreeze(**MARK), "", {}, "redeems again"),
    (
        AddRoots(roots=ROOTS, high_seqs=(3, 0), **MARK),
        "bytes32[] roots,uint32[] highSeqs",
        {"roots": list(ROOTS), "highSeqs": [3, 0]},
        "Add 2 roots",
    ),
    (
        OpenGrant(key=CONTRACT, leases=LEASES, **MARK),
        "address key,Lease[] leases",
        {
            "key": CONTRACT,
            "leases": [
                dict(
                    zip(("tier", "start", "quota", "notBefore", "redeemBy"), msgspec.structs.astuple(one), strict=True)
                )
                for one in LEASES
            ],
        },
        "50 of tier 0 (tokens 951 to 1000",
    ),
    (
        Reclaim(tier=1, from_seq=5, **MARK),
        "uint8 tier,uint32 fromSeq",
        {"tier": 1, "fromSeq": 5},
        "from seq 5 on",
    ),
    (
        MintLost(tier=1, seqs=(3, 4), receivers=TO, **MARK),
        "uint8 tier,uint32[] seqs,address[] receivers",
        {"tier": 1, "seqs": [3, 4], "receivers": list(TO)},
        f"seq 3 to {TO[0]}",
    ),
]


def whole(act: Any, *signatures: Signature) -> Collected:
    """For our contract."""
    return Collected(1, 31337, CONTRACT, act, signatures)


@pytest.mark.parametrize(("act", "fields", "told", "words"), ACTS, ids=[type(one[0]).__name__ for one in ACTS])
def test_it_hashes_as_eth_account_says_and_tells_what_it_does(
    act: Any, fields: str, told: dict[str, Any], words: str
) -> None:
    pairs = [one.split(" ") for one in f"bytes32 grantId,{fields},uint256 nonce,uint256 deadline".split(",") if one]
    name = type(act).__name__
    types = {
        name: [{"type": kind, "name": field} for kind, field in pairs],
        "Lease": [
            {"type": kind, "name": field} for kind, field in (one.split(" ") for one in acts.LEASE[6:-1].split(","))
        ],
    }
    message = {"grantId": GRANT, "nonce": int(act.nonce), "deadline": act.deadline} | told
    domain = {"name": "Edgedrop", "version": "1", "chainId": 31337, "verifyingContract": CONTRACT}
    if name != "OpenGrant":
        del types["Lease"]
    wanted = encode_typed_data(domain, types, message)
    assert act.struct_hash() == wanted.body
    assert whole(act).digest() == digest(Domain(31337, bytes.fromhex(CONTRACT[2:])).separator, wanted.body)
    assert words in whole(act).words()
    for part in (GRANT, CONTRACT, "chain 31337", "2027-01-15 08:00:00 UTC", whole(act).digest().hex()):
        assert part in whole(act).words()
    assert collected.load(collected.dump(whole(act))) == whole(act)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_signatures_come_in_any_order_and_two_are_enough(order: tuple[int, ...]) -> None:
    act = whole(Revoke(**MARK))
    assert collected.missing(act) == 2
    for holder in order:
        act = collected.sign(act, KEYS[holder], HOLDERS)
    assert collected.missing(act) == 0
    assert [number for number, _ in collected.numbered(act, HOLDERS)] == [0, 1]
    copies = [collected.sign(whole(Revoke(**MARK)), KEYS[holder], HOLDERS) for holder in order[:2]]
    assert [n for n, _ in collected.numbered(collected.merge(copies[0], copies[1:], HOLDERS), HOLDERS)] == sorted(
        order[:2]
    )


def test_one_signature_is_enough_to_freeze_and_too_few_for_the_rest() -> None:
    assert collected.numbered(collected.sign(whole(Freeze(**MARK)), KEYS[2], HOLDERS), HOLDERS)[0][0] == 2
    with pytest.raises(NotVerified, match="1 more"):
        collected.numbered(collected.sign(whole(Revoke(**MARK)), KEYS[2], HOLDERS), HOLDERS)
    twice = collected.sign(collected.sign(whole(Revoke(**MARK)), KEYS[2], HOLDERS), KEYS[2], HOLDERS)
    assert collected.missing(twice) == 1


def test_what_is_signed_by_nobody_or_under_another_act_is_refused() -> None:
    act = whole(Revoke(**MARK))
    other = collected.sign(whole(Freeze(**MARK)), KEYS[0], HOLDERS)
    with pytest.raises(NotVerified, match="none of the holders"):
        collected.sign(act, "0x" + "44" * 32, HOLDERS)
    with pytest.raises(NotVerified, match="not under this act"):
        collected.add(act, other.signatures[0], HOLDERS)
    with pytest.raises(NotVerified, match="different acts"):
        collected.merge(act, [other], HOLDERS)
    with pytest.raises(NotVerified, match="no act of the holders"):
        collected.load(b'{"schema":1,"act":{"act":"Melt"}}')
    # A file that somebody edited after signing.
    forged = msgspec.structs.replace(collected.sign(other, KEYS[1], HOLDERS), act=Revoke(**MARK))
    with pytest.raises(NotVerified, match="not under this act"):
        collected.numbered(forged, HOLDERS)


def test_a_contract_holders_signature_is_taken_as_it_is() -> None:
    three = (*HOLDERS[:2], WALLET)
    act = collected.add(collected.sign(whole(Revoke(**MARK)), KEYS[0], three), Signature(WALLET.address, "0x01"), three)
    assert collected.numbered(act, three)[1] == (2, b"\x01")
