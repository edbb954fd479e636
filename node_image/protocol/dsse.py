"""Signed envelopes (DSSE, github.com/secure-systems-lab/dsse): how manifests, leases and releases travel."""

from __future__ import annotations

import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]  # it has no __all__

from node_image.protocol.errors import NotVerified


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
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(CryptoSigner(key))
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode()


def verify(envelope: bytes, payload_type: str, public: bytes) -> bytes:
    """The payload, when the envelope is of this type and signed by this key; else NotVerified."""
    try:
        found = Envelope.from_dict(json.loads(envelope))
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise NotVerified("it is no DSSE envelope") from fault
    if found.payload_type != payload_type:
        raise NotVerified(f"the envelope holds {found.payload_type}, not {payload_type}")
    key = SSlibKey.from_crypto(serialization.load_pem_public_key(public))
    try:
        found.verify([key], 1)
    except VerificationError as fault:
        raise NotVerified("the envelope is not signed by the owner's key") from fault
    return bytes(found.payload)
