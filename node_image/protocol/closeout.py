"""The close-out: the owner's command to end a grant, and the lease key's last word on what was given of each lease.

The chain frees the rest. The signer writes a CLOSE frame, syncs it, and only then signs; after that frame nothing is
ever signed but this very close-out (`acts.close_out_hash`) again. The hub adds its signature once the ledger holds the
CLOSE frame, not before: a copy of the disk from before it would go on selling what the chain has freed.
"""

from __future__ import annotations

import msgspec

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified

PAYLOAD_TYPE = "application/vnd.edgedrop.close+json"


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """End this grant; nothing takes it back."""

    schema: int
    drop: str
    node: str
    epoch: int
    grant_id: str


def sign(command: Command, private_pem: bytes) -> bytes:
    """The command in the owner's envelope."""
    return dsse.sign(PAYLOAD_TYPE, msgspec.json.encode(command, order="sorted"), private_pem)


def verify(envelope: bytes, public_pem: bytes) -> Command:
    """The command, when the owner signed it; else NotVerified."""
    try:
        return msgspec.json.decode(dsse.verify(envelope, PAYLOAD_TYPE, public_pem), type=Command)
    except msgspec.DecodeError as fault:
        raise NotVerified(f"the command is not of schema 1: {fault}") from fault
