"""The lease document: what a grant may sign, as the owner signs it and the signer keeps it (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import rfc8785

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified

PAYLOAD_TYPE = "application/vnd.edgedrop.lease+json"
FIRST_EPOCH = 1


class Lease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens `start .. start + quota - 1` of one tier; times in Unix seconds."""

    tier: int
    start: int
    quota: int
    not_before: int
    redeem_by: int


class LeaseDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One grant's key and its lease in each tier; hashes and addresses as 0x hex."""

    schema: int
    drop: str
    node: str
    epoch: int
    grant_id: str
    key: str
    leases: tuple[Lease, ...]


def subject(drop: str, node: str, epoch: int) -> str:
    """Where the bus has it; one a grant, since of each subject only the newest message is kept."""
    first = f"lease.{drop}.{node}"
    return first if epoch == FIRST_EPOCH else f"{first}.{epoch}"


def document(drop: str, node: str, epoch: int, grant_id: str, key: str, leases: Iterable[Mapping[str, int]]) -> bytes:
    """The document as canonical JSON (RFC 8785); msgspec.ValidationError where a field is not what it must be."""
    held = tuple(msgspec.convert(dict(lease), Lease) for lease in leases)
    return payload(LeaseDocument(1, drop, node, epoch, grant_id, key, held))


def payload(document: LeaseDocument) -> bytes:
    """Canonical JSON (RFC 8785): what is signed."""
    return rfc8785.dumps(msgspec.to_builtins(document))


def sign(document: LeaseDocument | bytes, private_pem: bytes) -> bytes:
    """The document, or its canonical JSON, in the owner's envelope."""
    told = document if isinstance(document, bytes) else payload(document)
    return dsse.sign(PAYLOAD_TYPE, told, private_pem)


def verify(envelope: bytes, public_pem: bytes) -> LeaseDocument:
    """The document, when the owner signed it; else NotVerified."""
    payload = dsse.verify(envelope, PAYLOAD_TYPE, public_pem)
    try:
        return msgspec.json.decode(payload, type=LeaseDocument)
    except msgspec.ValidationError as fault:
        raise NotVerified(f"the lease document is not of schema 1: {fault}") from fault
