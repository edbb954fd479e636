"""Reserve vouchers: what a node hands out when it can't sign, and exchanges for the voucher of the same seq later.

It names grant, tier, seq, beneficiary and slot and is signed by the node's enrolment key, so that it is worth nothing
to anybody else. It redeems nothing by itself: no lease key signed it. Without a witness of the journal's freshness it
holds no seq (an older copy would give one away a second time) and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from node_image.protocol import frames
from node_image.protocol.eip712 import claim_hash, digest, keccak
from node_image.protocol.errors import NotVerified
from node_image.protocol.facts import DropFacts
from node_image.protocol.hexes import unhex
from node_image.protocol.signature import recover

RESERVE_TYPE = keccak(
    b"Reserve(bytes32 grantId,uint8 tier,bool sequenced,uint32 seq,address to,address claimKey,uint8 slot,"
    b"bytes32 claimHash,uint64 at)"
)
MAX_UNSEQUENCED = 256  # a grant: each is a promise that the node may not be able to keep


class ReserveVoucher(msgspec.Struct, frozen=True):
    """As buyers hold it; `seq` is null where it holds no token yet, `node_key` the enrolment key's address."""

    schema: int
    kind: str
    claim_id: str
    drop: str
    node: str
    chain_id: int
    contract: str
    grant_id: str
    tier: int
    seq: int | None
    to: str
    claim_key: str
    slot: int
    at: int
    reason: str
    node_key: str
    signature: str


@dataclass(frozen=True, slots=True)
class Reserve:
    """The EIP-712 struct that the enrolment key signs."""

    grant_id: bytes
    tier: int
    seq: int | None
    to: bytes
    claim_key: bytes
    slot: int
    claim_hash: bytes
    at: int

    def struct_hash(self) -> bytes:
        """hashStruct(Reserve)."""
        numbers = [_word(self.tier), _word(self.seq is not None), _word(self.seq or 0)]
        addresses = [self.to.rjust(32, b"\0"), self.claim_key.rjust(32, b"\0")]
        rest = [_word(self.slot), self.claim_hash, _word(self.at)]
        return keccak(b"".join([RESERVE_TYPE, self.grant_id, *numbers, *addresses, *rest]))


def of_frame(grant_id: bytes, told: frames.Reserve) -> Reserve:
    """What is signed for a RESERVE frame."""
    hashed = claim_hash(told.claim_id)
    return Reserve(grant_id, told.tier, told.seq, told.to, told.claim_key, told.slot, hashed, told.at)


def build(
    facts: DropFacts, grant_id: bytes, told: frames.Reserve, reason: str, node_key: bytes, signature: bytes
) -> ReserveVoucher:
    """The document; `signature` is the enrolment key's over `of_frame`."""
    return ReserveVoucher(
        schema=1,
        kind="reserve",
        claim_id=told.claim_id,
        drop=facts.drop,
        node=facts.node,
        chain_id=facts.chain_id,
        contract=facts.contract,
        grant_id=_hex(grant_id),
        tier=told.tier,
        seq=told.seq,
        to=_hex(told.to),
        claim_key=_hex(told.claim_key),
        slot=told.slot,
        at=told.at,
        reason=reason,
        node_key=_hex(node_key),
        signature=_hex(signature),
    )


def verify(reserve: ReserveVoucher, separator: bytes, node_key: bytes) -> None:
    """NotVerified unless the node's enrolment key signed exactly this."""
    struct = Reserve(
        unhex(reserve.grant_id),
        reserve.tier,
        reserve.seq,
        unhex(reserve.to),
        unhex(reserve.claim_key),
        reserve.slot,
        claim_hash(reserve.claim_id),
        reserve.at,
    )
    if recover(digest(separator, struct.struct_hash()), unhex(reserve.signature)) != node_key:
        raise NotVerified("the reserve voucher is not signed by the node's enrolment key")


def _word(number: int) -> bytes:
    return int(number).to_bytes(32, "big")


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
