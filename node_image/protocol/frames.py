"""A journal's frame, and what each kind holds. A frame that holds anything else is damaged."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Annotated, Any

import cbor2
import msgspec
from msgspec import Meta

from node_image.protocol.lease import Lease

HEAD = 32
LENGTH = struct.Struct(">I")
FIXED = struct.Struct(">BQ")

Word = Annotated[bytes, Meta(min_length=32, max_length=32)]
Address = Annotated[bytes, Meta(min_length=20, max_length=20)]
Signature = Annotated[bytes, Meta(min_length=65, max_length=65)]
Uint = Annotated[int, Meta(ge=0)]
NO_ADDRESS = bytes(20)


class Kind(IntEnum):
    """What a frame records."""

    GRANT = 1
    LEASE = 2
    CLAIM = 3
    BATCH = 4
    SIGNATURE = 5
    TIME = 6
    VOUCH = 7
    RESERVE = 8
    CLOSE = 9
    RECEIVE = 10


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first frame: whose journal this is."""

    grant_id: Word
    key: Address


class LeaseList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part of the lease document that the fold needs."""

    leases: tuple[Lease, ...]


class Leases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Leases, with the owner's envelope that gave them."""

    document: LeaseList
    envelope: bytes


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A claim that has its seq for ever; `signature` is that of `to`, a wallet, or of `claim_key`."""

    claim_id: str
    tier: Uint
    seq: Uint
    to: Address
    slot: Uint
    signature: Signature
    claim_key: Address = NO_ADDRESS


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch over the claims since the one before; on disk before the HSM is asked."""

    batch_seq: Uint
    root: Word
    count: Uint
    issued_at: Uint


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lease key's signature of a batch."""

    batch_seq: Uint
    signature: Signature


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one source said, in its own signed words, and what follows from it (timing.Reading)."""

    source: str
    lo_ms: Uint
    hi_ms: Uint
    boot_id: str
    boot_ms: Uint
    envelope: bytes


class Time(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The clock moves: by readings that were believed together, or down to `floor_ms` by the owner's `command`."""

    readings: tuple[Reading, ...]
    floor_ms: Uint
    command: bytes = b""


class Vouch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The owner, by a tech on site, vouched that this is the newest journal: `frames` frames of it."""

    frames: Uint
    envelope: bytes


class Reserve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A claim that could not be signed: `seq` is the token it holds, or none where the journal may be an older copy.

    `at` is the lower end of the time then; `sure` says that it lay within the window for certain.
    """

    claim_id: str
    tier: Uint
    seq: Uint | None
    to: Address
    slot: Uint
    signature: Signature
    at: Uint
    sure: bool
    claim_key: Address = NO_ADDRESS


class Close(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last frame there is: each tier's next seq, whatever was given below it, signed or not."""

    high_seqs: tuple[Uint, ...]
    at: Uint


class Receive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the claim key of a signed claim names; `signature` is that key's, as the contract takes it."""

    claim_id: str
    receiver: Address
    signature: Signature


type Told = Grant | Leases | Claim | Header | Signed | Time | Vouch | Reserve | Close | Receive

_TYPES: dict[Kind, type[Told]] = {
    Kind.GRANT: Grant,
    Kind.LEASE: Leases,
    Kind.CLAIM: Claim,
    Kind.BATCH: Header,
    Kind.SIGNATURE: Signed,
    Kind.TIME: Time,
    Kind.VOUCH: Vouch,
    Kind.RESERVE: Reserve,
    Kind.CLOSE: Close,
    Kind.RECEIVE: Receive,
}


def typed(kind: Kind, payload: dict[str, Any]) -> Told:
    """The payload as its kind's type; msgspec.ValidationError (a ValueError) when it isn't."""
    return msgspec.convert(payload, _TYPES[kind])


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One record, with the chain's head after it; `told` is the payload as its kind's type."""

    kind: Kind
    seq: int
    told: Told
    head: bytes
    raw: bytes

    @property
    def payload(self) -> dict[str, Any]:
        """The payload as it stands in the frame."""
        found: dict[str, Any] = cbor2.loads(self.raw[LENGTH.size + FIXED.size : -HEAD])
        return found
