"""What the hub is told of a drop and of its grants, signed by the owner: the ledger believes no journal without it."""

from __future__ import annotations

import msgspec

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified
from node_image.protocol.facts import TierFacts
from node_image.protocol.lease import Lease

DROP_TYPE = "application/vnd.edgedrop.drop+json"
GRANT_TYPE = "application/vnd.edgedrop.grant+json"


class DropAnnouncement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A drop, on `drop.<drop>`; times in Unix seconds, hashes and addresses as 0x hex."""

    schema: int
    drop: str
    title: str
    chain_id: int
    contract: str
    manifest_digest: str
    opens_at: int
    closes_at: int
    redeem_by: int
    tiers: tuple[TierFacts, ...]


class GrantAnnouncement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grant whose leases are open on chain, on `drop.<drop>.grant.<node>`."""

    schema: int
    drop: str
    node: str
    geo: str
    epoch: int
    grant_id: str
    key: str
    leases: tuple[Lease, ...]


def sign(told: DropAnnouncement | GrantAnnouncement, private_pem: bytes) -> bytes:
    """In the owner's envelope, keys sorted. Not RFC 8785: its numbers end at 2^53, and a price in wei does not."""
    kind = DROP_TYPE if isinstance(told, DropAnnouncement) else GRANT_TYPE
    return dsse.sign(kind, msgspec.json.encode(told, order="sorted"), private_pem)


def verify_drop(envelope: bytes, public_pem: bytes) -> DropAnnouncement:
    """A drop that the owner announced; else NotVerified."""
    return _decode(dsse.verify(envelope, DROP_TYPE, public_pem), DropAnnouncement)


def verify_grant(envelope: bytes, public_pem: bytes) -> GrantAnnouncement:
    """A grant that the owner announced; else NotVerified."""
    return _decode(dsse.verify(envelope, GRANT_TYPE, public_pem), GrantAnnouncement)


def _decode[T: (DropAnnouncement, GrantAnnouncement)](payload: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.DecodeError as fault:
        raise NotVerified(f"the announcement is not of schema 1: {fault}") from fault
