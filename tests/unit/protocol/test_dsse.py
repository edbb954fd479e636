"""Envelopes against another implementation, and every way in which one is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified

OWNER = dsse.new_private_pem()
PUBLIC = dsse.public_pem(OWNER)
KIND = "application/vnd.edgedrop.test+json"
PAYLOAD = b'{"a": "\xff"}'


def envelope(**changes: Any) -> bytes:
    """A right one, changed."""
    return json.dumps(json.loads(dsse.sign(KIND, PAYLOAD, OWNER)) | changes).encode()


def test_ours_is_verified_by_securesystemslib() -> None:
    found = Envelope.from_dict(json.loads(dsse.sign(KIND, PAYLOAD, OWNER)))
    key = SSlibKey.from_crypto(serialization.load_pem_public_key(PUBLIC))
    assert found.verify([key], 1)
    assert found.payload == PAYLOAD


def test_securesystemslibs_is_verified_by_us() -> None:
    made = Envelope(PAYLOAD, KIND, {})
    made.sign(CryptoSigner(serialization.load_pem_private_key(OWNER, None)))
    assert dsse.verify(json.dumps(made.to_dict()).encode(), KIND, PUBLIC) == PAYLOAD


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b"[]",
        b"\xff",
        b"{}",
        envelope(payload="not base64!"),
        envelope(payload=1),
        envelope(signatures="none"),
        envelope(signatures=[{"keyid": "x"}]),
    ],
)
def test_what_is_no_envelope(found: bytes) -> None:
    with pytest.raises(NotVerified, match="no DSSE envelope"):
        dsse.verify(found, KIND, PUBLIC)


@pytest.mark.parametrize(
    "found",
    [
        envelope(payload="eHh4"),
        envelope(signatures=[]),
        envelope(signatures=[{"keyid": "", "sig": ""}]),
        envelope(signatures=[{"keyid": "", "sig": "eHh4"}]),
        dsse.sign(KIND, PAYLOAD, dsse.new_private_pem()),
    ],
)
def test_what_the_owner_did_not_sign(found: bytes) -> None:
    with pytest.raises(NotVerified, match="not signed by the owner"):
        dsse.verify(found, KIND, PUBLIC)


def test_a_type_is_part_of_what_is_signed() -> None:
    with pytest.raises(NotVerified, match="holds"):
        dsse.verify(envelope(), "application/other", PUBLIC)
    with pytest.raises(NotVerified, match="not signed"):
        dsse.verify(envelope(payloadType="application/other"), "application/other", PUBLIC)


def test_a_keyid_is_only_a_hint() -> None:
    told = json.loads(envelope())
    assert dsse.verify(envelope(signatures=[{"sig": told["signatures"][0]["sig"]}]), KIND, PUBLIC) == PAYLOAD
