"""Vouchers as the contract takes them, and what the contract says of each. Pure: bytes in, bytes out.

A voucher (docs/architecture.md) may bring what the plain call doesn't carry; then the call is `redeemManyWith`:
- `checkpoint`: {root, proof}: the batch's digest under a root that was anchored; for a frozen or revoked grant
- `receive`: {receiver, signature}: whom its claim key names
- `authorization`: {payer, valid_after, valid_before, signature}: ERC-3009, nonce = leaf; for an ERC-20 tier
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from node_image.protocol.eip712 import Batch, keccak
from node_image.protocol.hexes import unhex

MAX_ITEMS = 200  # EdgedropToken.MAX_ITEMS
BATCH = "(bytes32,uint64,bytes32,uint32,uint64)"
SIGNED_BATCH = f"({BATCH},bytes)"
ITEM = "(uint16,uint8,uint8,uint32,address,address,bytes32,bytes32[])"
EXTRAS = (
    "((uint16,bytes32,bytes32[])[],(uint16,address,bytes)[],(uint16,address,uint256,uint256,uint8,bytes32,bytes32)[])"
)
NOT_REDEEMED = "NotRedeemed(uint8)"
REDEEM_MANY = f"redeemMany({SIGNED_BATCH}[],{ITEM}[])"
REDEEM_MANY_WITH = f"redeemManyWith({SIGNED_BATCH}[],{ITEM}[],{EXTRAS})"
REDEEMED = keccak(b"Redeemed(uint256,bytes32,address)")
REDEEM = f"redeem({SIGNED_BATCH},{ITEM})"
ANCHORED = keccak(b"Anchored(bytes32,bytes32)")
SKIPPED = keccak(b"Skipped(uint256,uint8,uint256)")


class Reason(IntEnum):
    """Why the contract skipped an item (contracts/src/Types.sol)."""

    NONE = 0
    BAD_BATCH = 1
    NO_LEASE = 2
    NOT_IN_BATCH = 3
    TOO_EARLY = 4
    TOO_LATE = 5
    BAD_RECEIVER = 6
    BAD_SLOT = 7
    NULLIFIER_USED = 8
    TOKEN_TAKEN = 9
    UNPAID = 10
    UNPROVEN = 11


@dataclass(frozen=True, slots=True)
class Place:
    """A transaction, its block and the block's time in Unix seconds."""

    tx: str
    block: int
    at: int


@dataclass(frozen=True, slots=True)
class Redemption:
    """A Redeemed event."""

    token_id: int
    grant_id: str
    to: str
    tx: str
    block: int


@dataclass(frozen=True, slots=True)
class Skip:
    """A Skipped event; `item` is the voucher's index in the call."""

    item: int
    token_id: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one `redeemMany` came to."""

    tx: str
    block: int
    gas_used: int
    redeemed: tuple[Redemption, ...]
    skipped: tuple[Skip, ...]


def selector(signature: str) -> bytes:
    """The first four bytes of a call."""
    return keccak(signature.encode())[:4]


def call_data(vouchers: Sequence[Mapping[str, Any]]) -> bytes:
    """One call for these vouchers; a batch that several share is sent once."""
    if not 0 < len(vouchers) <= MAX_ITEMS:
        raise ValueError(f"a call takes 1 to {MAX_ITEMS} vouchers, not {len(vouchers)}")
    batches: dict[tuple[Any, ...], int] = {}
    items = [_item(batches.setdefault(signed_batch(voucher), len(batches)), voucher) for voucher in vouchers]
    types, told = [f"{SIGNED_BATCH}[]", f"{ITEM}[]"], [list(batches), items]
    extras = _extras(vouchers, items)
    if not any(extras):
        return selector(REDEEM_MANY) + encode(types, told)
    return selector(REDEEM_MANY_WITH) + encode([*types, EXTRAS], [*told, extras])


def redeem_call(voucher: Mapping[str, Any]) -> bytes:
    """One voucher alone, without a checkpoint's proof: the contract reverts with the reason where it doesn't redeem."""
    return selector(REDEEM) + encode([SIGNED_BATCH, ITEM], [signed_batch(voucher), _item(0, voucher)])


def _extras(vouchers: Sequence[Mapping[str, Any]], items: Sequence[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    """Receives and authorizations in the items' order, as the contract wants them."""
    proven: dict[int, tuple[Any, ...]] = {}
    receives, authorizations = [], []
    for at, voucher in enumerate(vouchers):
        if told := voucher.get("checkpoint"):
            batch = items[at][0]
            proven.setdefault(batch, (batch, unhex(told["root"]), [unhex(one) for one in told["proof"]]))
        if told := voucher.get("receive"):
            receives.append((at, told["receiver"], unhex(told["signature"])))
        if told := voucher.get("authorization"):
            rsv = unhex(told["signature"])
            window = (int(told["valid_after"]), int(told["valid_before"]))
            authorizations.append((at, told["payer"], *window, rsv[64], rsv[:32], rsv[32:64]))
    return list(proven.values()), receives, authorizations


def price(vouchers: Sequence[Mapping[str, Any]]) -> int:
    """What the payer sends along, in wei; a voucher with a `currency` is paid in that ERC-20."""
    return sum(int(voucher["price_wei"]) for voucher in vouchers if not voucher.get("currency"))


def signed_batch(voucher: Mapping[str, Any]) -> tuple[Any, ...]:
    """The voucher's batch as a Solidity SignedBatch."""
    batch = voucher["batch"]
    header = (unhex(batch["grantId"]), batch["batchSeq"], unhex(batch["root"]), batch["count"], batch["issuedAt"])
    return header, unhex(voucher["signature"])


def batches_in(call: bytes) -> list[tuple[Batch, bytes]]:
    """The batches, with their signatures, that a redeeming call brought; none for a call that is none."""
    kind = _BRING.get(call[:4])
    if kind is None:
        return []
    try:
        (told,) = decode([kind], call[4:])
    except (DecodingError, OverflowError):
        return []
    found = told if kind.endswith("[]") else (told,)
    return [(Batch(*header), signature) for header, signature in found]


def _item(batch: int, voucher: Mapping[str, Any]) -> tuple[Any, ...]:
    body = voucher["voucher"]
    proof = [unhex(sibling) for sibling in voucher["proof"]]
    receiver = (body["to"], body["claimKey"])
    return batch, body["tier"], body["slot"], body["seq"], *receiver, unhex(body["claimHash"]), proof


def redemption(log: Mapping[str, Any]) -> Redemption:
    """From a log as JSON-RPC gives it."""
    token, grant, to = (bytes(topic) for topic in log["topics"][1:4])
    tx = "0x" + bytes(log["transactionHash"]).hex()
    return Redemption(int.from_bytes(token), "0x" + grant.hex(), "0x" + to[-20:].hex(), tx, log["blockNumber"])


def skip(log: Mapping[str, Any]) -> Skip:
    """From a log as JSON-RPC gives it."""
    reason, item = decode(["uint8", "uint256"], bytes(log["data"]))
    return Skip(item, int.from_bytes(bytes(log["topics"][1])), Reason(reason))


def outcome(receipt: Mapping[str, Any]) -> Outcome:
    """What a mined call came to, in the order of the call's items."""
    logs = receipt["logs"]
    return Outcome(
        tx="0x" + bytes(receipt["transactionHash"]).hex(),
        block=receipt["blockNumber"],
        gas_used=receipt["gasUsed"],
        redeemed=tuple(redemption(log) for log in logs if bytes(log["topics"][0]) == REDEEMED),
        skipped=tuple(skip(log) for log in logs if bytes(log["topics"][0]) == SKIPPED),
    )


# The first argument of each call that redeems.
_BRING = {selector(REDEEM): SIGNED_BATCH} | {
    selector(one): f"{SIGNED_BATCH}[]" for one in (REDEEM_MANY, REDEEM_MANY_WITH)
}
