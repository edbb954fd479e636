"""What a re-image by the bus is made of: files on the hub in parts, and the slot's document in the owner's envelope.

A file goes by its SHA-256, a document by that of its payload. Who fetches them believes nothing; who uses them holds
them against the command's own words. Nothing in a parcel is secret.
"""

from __future__ import annotations

import hashlib

import msgspec

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified

STREAM = "FILES"
COUNT = "Edgedrop-Parts"  # header of each part: how many there are
PART = 512 << 10  # bytes; a message of the bus holds 1 MiB, and a stream gives it out in base64
MOST_BYTES = 64 << 20  # of a file
SLOT_TYPE = "application/vnd.edgedrop.slot+json"
RELEASE_TYPE = "application/vnd.edgedrop.release+json"  # infra/release.py
INSTALLER = "slots.pyz"  # infra/installer.py


class Document(msgspec.Struct, frozen=True):
    """What a box must know of a slot's document (infra/slot.py); `files` are SHA-256 by name."""

    stack: str
    node: str
    release: str
    files: dict[str, str]


def subject(name: str, number: int | str) -> str:
    """Where a part lies."""
    return f"file.{name}.{number}"


def split(data: bytes) -> list[bytes]:
    """Its parts; an empty file has one, too."""
    return [data[at : at + PART] for at in range(0, len(data), PART)] or [b""]


def payload(envelope: bytes, kind: str, owner: bytes, digest: str) -> bytes:
    """What the owner signed, of this type and SHA-256; else NotVerified."""
    found = dsse.verify(envelope, kind, owner)
    if hashlib.sha256(found).hexdigest() != digest:
        raise NotVerified("it is another one than the command names")
    return found


def document(data: bytes) -> Document:
    """As far as the box reads it; NotVerified where it is none."""
    try:
        return msgspec.json.decode(data, type=Document)
    except msgspec.DecodeError as fault:
        raise NotVerified(f"it is no slot's document: {fault}") from fault
