"""What the contract is called with, apart from redeeming. Pure: bytes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from eth_abi.abi import encode

from node_image.hub.redemption import BATCH, selector, signed_batch
from node_image.protocol.acts import (
    Act,
    AddRoots,
    Freeze,
    Holder,
    MintLost,
    OpenGrant,
    Reclaim,
    Revoke,
    Unfreeze,
)
from node_image.protocol.collected import Collected, numbered
from node_image.protocol.hexes import unhex

LEASE_FIELDS = ("tier", "start", "quota", "not_before", "redeem_by")
OPENINGS = "(uint8,uint40,uint32,uint40,uint40)[]"
FUNCTIONS = {
    Freeze: "freezeByHolder",
    Revoke: "revoke",
    Unfreeze: "unfreeze",
    AddRoots: "addRoots",
    OpenGrant: "openGrantByHolders",
    Reclaim: "reclaim",
    MintLost: "mintLost",
}
SIGNED = "(uint256,uint256,(uint8,bytes)[])"  # Act


def call(name: str, types: Sequence[str], told: Sequence[Any]) -> bytes:
    """A function's selector with its arguments."""
    return selector(f"{name}({','.join(types)})") + encode(types, told)


def open_grant(grant_id: str, signer: str, leases: Sequence[Mapping[str, int]]) -> bytes:
    """By the operator, within its ceilings."""
    return call("openGrant", ("bytes32", "address", OPENINGS), (unhex(grant_id), signer, openings(leases)))


def openings(leases: Sequence[Mapping[str, int]]) -> list[tuple[int, ...]]:
    """Leases as the contract takes them."""
    return [tuple(lease[name] for name in LEASE_FIELDS) for lease in leases]


def anchor(grant_id: str, root: bytes, high_seqs: Sequence[int]) -> bytes:
    """By the hub."""
    return call("anchor", ("bytes32", "bytes32", "uint32[]"), (unhex(grant_id), root, list(high_seqs)))


def close_out(grant_id: str, high_seqs: Sequence[int], node_signature: bytes, hub_signature: bytes) -> bytes:
    """By anyone who has both signatures."""
    types = ("bytes32", "uint32[]", "bytes", "bytes")
    return call("closeOut", types, (unhex(grant_id), list(high_seqs), node_signature, hub_signature))


def freeze(grant_id: str) -> bytes:
    """By a holder itself."""
    return call("freeze", ("bytes32",), (unhex(grant_id),))


def report_equivocation(a: Mapping[str, Any], b: Mapping[str, Any]) -> bytes:
    """By anyone: two batches of one grant and batchSeq; each a mapping with `batch` and `signature` as in a voucher."""
    types = (BATCH, "bytes", BATCH, "bytes")
    return call("reportEquivocation", types, (*signed_batch(a), *signed_batch(b)))


def withdraw(tier: int) -> bytes:
    """By anyone: each creator's part of the tier's takings."""
    return call("withdraw", ("uint8",), (tier,))


def act(collected: Collected, holders: Sequence[Holder]) -> bytes:
    """By anyone: the holders' act with the signatures it needs; NotVerified if they are too few."""
    name, types, told = _told(collected.act)
    signed = (int(collected.act.nonce), collected.act.deadline, numbered(collected, holders))
    return call(name, ("bytes32", *types, SIGNED), (unhex(collected.act.grant_id), *told, signed))


def _told(act: Act) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    types: tuple[str, ...] = ()
    told: tuple[Any, ...] = ()
    match act:
        case AddRoots():
            types, told = ("bytes32[]", "uint32[]"), ([unhex(root) for root in act.roots], list(act.high_seqs))
        case OpenGrant():
            leases = openings([msgspec.structs.asdict(lease) for lease in act.leases])
            types, told = ("address", OPENINGS), (act.key, leases)
        case Reclaim():
            types, told = ("uint8", "uint32"), (act.tier, act.from_seq)
        case MintLost():
            types, told = ("uint8", "uint32[]", "address[]"), (act.tier, list(act.seqs), list(act.receivers))
    return FUNCTIONS[type(act)], types, told
