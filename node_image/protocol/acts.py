"""The holders' acts: EIP-712 structs that any one holder (Freeze) or any two of the three (all others) sign. Pure.

Each tells its hash and, in plain words, what a holder puts a name to; `collected` gathers the signatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from node_image.protocol.eip712 import keccak
from node_image.protocol.hexes import unhex
from node_image.protocol.lease import Lease

HOLDERS = 3
TWO = 2
HolderKind = Literal["ecdsa", "erc1271"]

LEASE = "Lease(uint8 tier,uint40 start,uint32 quota,uint40 notBefore,uint40 redeemBy)"
LEASE_TYPE = keccak(LEASE.encode())
CLOSE_OUT_TYPE = keccak(b"CloseOut(bytes32 grantId,uint32[] highSeqs)")
RECEIVE_TYPE = keccak(b"Receive(bytes32 leafHash,address receiver)")


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the three; how it signs was fixed when the contract was deployed."""

    address: str
    kind: HolderKind = "ecdsa"


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="act", tag=True):
    """From now on only what a checkpoint proves redeems."""

    grant_id: str
    nonce: str
    deadline: int

    needed = 1
    type_ = "Freeze(bytes32 grantId,uint256 nonce,uint256 deadline)"

    def struct_hash(self) -> bytes:
        """HashStruct."""
        return _hashed(self, unhex(self.grant_id))

    def words(self) -> str:
        """What the holder is told."""
        return f"Freeze grant {self.grant_id}: only vouchers under an anchored checkpoint redeem until it is unfrozen."


class Revoke(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="act", tag=True):
    """The same for good."""

    grant_id: str
    nonce: str
    deadline: int

    needed = TWO
    type_ = "Revoke(bytes32 grantId,uint256 nonce,uint256 deadline)"

    def struct_hash(self) -> bytes:
        """HashStruct."""
        return _hashed(self, unhex(self.grant_id))

    def words(self) -> str:
        """What the holder is told."""
        return f"Revoke grant {self.grant_id} for good: only vouchers under a checkpoint redeem, it never opens again."


class Unfreeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="act", tag=True):
    """Back to what it was."""

    grant_id: str
    nonce: str
    deadline: int

    needed = TWO
    type_ = "Unfreeze(bytes32 grantId,uint256 nonce,uint256 deadline)"

    def struct_hash(self) -> bytes:
        """HashStruct."""
        return _hashed(self, unhex(self.grant_id))

    def words(self) -> str:
        """What the holder is told."""
        return f"Unfreeze grant {self.grant_id}: whatever its key signed redeems again, anchored or not."


class AddRoots(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="act", tag=True):
    """A supplement: what was recovered after the last checkpoint; `high_seqs` by tier, every seq below is covered."""

    grant_id: str
    roots: tuple[str, ...]
    high_seqs: tuple[int, ...]
    nonce: str
    deadline: int

    needed = TWO
    type_ = "AddRoots(bytes32 grantId,bytes32[] roots,uint32[] highSeqs,uint256 nonce,uint256 deadline)"

    def struct_hash(self) -> bytes:
        """HashStruct."""
        roots = keccak(b"".join(unhex(root) for root in self.roots))
        return _hashed(self, unhex(self.grant_id) + roots + _numbers(self.high_seqs))

    def words(self) -> str:
        """What the holder is told."""
        highs = ", ".join(f"tier {tier} below seq {high}" for tier, high in enumerate(self.high_seqs))
        return (
            f"Add {len(self.roots)} roots to grant {self.grant_id}: the batches under them redeem though it is frozen "
            f"or revoked ({', '.join(self.roots)}); they cover {highs}."
        )


class OpenGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="act", tag=True):
    """A grant beyond the operator's ceilings, such as the fallback reserve."""

    grant_id: str
    key: str
    leases: tuple[Lease, ...]
    nonce: str
    deadline: int

    needed = TWO
    type_ = "OpenGrant(bytes32 grantId,address key,Lease[] leases,uint256 nonce,uint256 deadline)" + LEASE

    def struct_hash(self) -> bytes:
        """HashStruct."""
        leases = keccak(b"".join(_lease(lease) for lease in self.leases))
        return _hashed(self, unhex(self.grant_id) + unhex(self.key).rjust(32, b"\0") + leases)

    def words(self) -> str:
        """What the holder is told."""
        ranges = "; ".join(
            f"{lease.quota} of tier {lease.tier} (tokens {lease.start} to {lease.start + lease.quota - 1}, "
            f"redeemable {when(lease.not_before)} to {when(lease.redeem_by)})"
            for lease in self.leases
        )
        return f"Open grant {self.grant_id} for key {self.key}, beyond the operator's ceilings: {ranges}."


class Reclaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="act", tag=True):
    """The rest of a revoked lease, after its redeem-by."""

    grant_id: str
    tier: int
    from_seq: int
    nonce: str
    deadline: int

    needed = TWO
    type_ = "Reclaim(bytes32 grantId,uint8 tier,uint32 fromSeq,uint256 nonce,uint256 deadline)"

    def struct_hash(self) -> bytes:
        """HashStruct."""
        return _hashed(self, unhex(self.grant_id) + _word(self.tier) + _word(self.from_seq))

    def words(self) -> str:
        """What the holder is told."""
        return (
            f"Take back tier {self.tier} of revoked grant {self.grant_id} from seq {self.from_seq} on: "
            "tokens that do not exist may be leased again."
        )


class MintLost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="act", tag=True):
    """Single tokens whose vouchers are lost, after redeem-by."""

    grant_id: str
    tier: int
    seqs: tuple[int, ...]
    receivers: tuple[str, ...]
    nonce: str
    deadline: int

    needed = TWO
    type_ = "MintLost(bytes32 grantId,uint8 tier,uint32[] seqs,address[] receivers,uint256 nonce,uint256 deadline)"

    def struct_hash(self) -> bytes:
        """HashStruct."""
        receivers = keccak(b"".join(unhex(to).rjust(32, b"\0") for to in self.receivers))
        return _hashed(self, unhex(self.grant_id) + _word(self.tier) + _numbers(self.seqs) + receivers)

    def words(self) -> str:
        """What the holder is told."""
        pairs = ", ".join(f"seq {seq} to {to}" for seq, to in zip(self.seqs, self.receivers, strict=True))
        return f"Mint lost tokens of tier {self.tier} of grant {self.grant_id}, without a voucher: {pairs}."


Act = Freeze | Revoke | Unfreeze | AddRoots | OpenGrant | Reclaim | MintLost


def close_out_hash(grant_id: bytes, high_seqs: Sequence[int]) -> bytes:
    """hashStruct(CloseOut): the lease key's last signature, and the hub's under it."""
    return keccak(CLOSE_OUT_TYPE + grant_id + _numbers(high_seqs))


def receive_hash(leaf: bytes, receiver: bytes) -> bytes:
    """hashStruct(Receive): a claim key says who gets its token."""
    return keccak(RECEIVE_TYPE + leaf + receiver.rjust(32, b"\0"))


def _hashed(act: Act, words: bytes) -> bytes:
    return keccak(keccak(act.type_.encode()) + words + _word(int(act.nonce)) + _word(act.deadline))


def _lease(lease: Lease) -> bytes:
    told = (lease.tier, lease.start, lease.quota, lease.not_before, lease.redeem_by)
    return keccak(LEASE_TYPE + b"".join(_word(number) for number in told))


def _numbers(numbers: Sequence[int]) -> bytes:
    return keccak(b"".join(_word(number) for number in numbers))


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def when(moment: int) -> str:
    """A moment for people."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"Unix second {moment}"
