"""Signed envelopes (DSSE, github.com/secure-systems-lab/dsse): how manifests, leases and releases travel.

Written out here: the library of that name imports every cloud's SDK that it finds, a second at each service's start
(docs/decisions/0009); the tests hold this against it.
"""

from __future__ import annotations

import hashlib

import msgspec
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from node_image.protocol.errors import NotVerified


class Signature(msgspec.Struct, frozen=True):
    """`keyid` is a hint and decides nothing."""

    sig: bytes  # msgspec reads and writes bytes as base64
    keyid: str = ""


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """As it travels, in JSON."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


def new_private_pem() -> bytes:
    """A new ed25519 key, PKCS#8 PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(private_pem: bytes) -> bytes:
    """The public half, SubjectPublicKeyInfo PEM."""
    key = serialization.load_pem_private_key(private_pem, None)
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign(payload_type: str, payload: bytes, private_pem: bytes) -> bytes:
    """The envelope as JSON, with one ed25519 signature over payload and type."""
    key = serialization.load_pem_private_key(private_pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise NotVerified("the owner's key is not ed25519")
    made = Signature(key.sign(_encoded(payload_type, payload)), _key_id(key.public_key()))
    return msgspec.json.encode(Envelope(payload, payload_type, (made,)), order="sorted")


def verify(envelope: bytes, payload_type: str, public: bytes) -> bytes:
    """The payload, when the envelope is of this type and signed by this key; else NotVerified."""
    try:
        found = msgspec.json.decode(envelope, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise NotVerified("it is no DSSE envelope") from fault
    if found.payload_type != payload_type:
        raise NotVerified(f"the envelope holds {found.payload_type}, not {payload_type}")
    key = serialization.load_pem_public_key(public)
    if not isinstance(key, Ed25519PublicKey):
        raise NotVerified("the owner's key is not ed25519")
    if not any(_signed(key, one.sig, _encoded(payload_type, found.payload)) for one in found.signatures):
        raise NotVerified("the envelope is not signed by the owner's key")
    return found.payload


def _encoded(payload_type: str, payload: bytes) -> bytes:
    """PAE, the bytes that are signed: with lengths, so that no type runs into a payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _signed(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _key_id(key: Ed25519PublicKey) -> str:
    """As in-toto and TUF name a key: SHA-256 over its canonical JSON."""
    public = {"public": key.public_bytes_raw().hex()}
    return hashlib.sha256(rfc8785.dumps({"keytype": "ed25519", "scheme": "ed25519", "keyval": public})).hexdigest()
