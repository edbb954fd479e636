"""RFC 3161: an authority that is not ours says when it saw a checkpoint's root. `stamp` asks it, `check` believes it.

The imprint is SHA-256 over the root's 32 bytes. Settings are the anchorer's: `EDGEDROP_TSA_URL` and `EDGEDROP_TSA_CA`,
a PEM file with the certificate (or several) that the authority's own must lead to; without a URL nothing is stamped.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests
from cryptography import x509
from pydantic_settings import BaseSettings, SettingsConfigDict
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from node_image.protocol.errors import NotVerified

ANSWER_S = 10.0
MAX_REPLY = 64 * 1024
SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"  # RFC 3161, 3.4


class TimestampSettings(BaseSettings):
    """From the environment, prefix EDGEDROP_."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    tsa_url: str = ""
    tsa_ca: Path = Path("/etc/edgedrop/tsa-ca.pem")


class TsaAway(Exception):
    """The authority does not answer, or not in time: ask again later, the root does not change."""


def stamp(root: bytes, tsa_url: str, ca_pem: bytes, *, answer_s: float = ANSWER_S) -> bytes:
    """The authority's reply over this root, checked before it is given back; TsaAway or NotVerified."""
    asked = TimestampRequestBuilder(root, HashAlgorithm.SHA256, nonce=True, cert_req=True).build()
    reply = _post(tsa_url, asked.as_bytes(), answer_s)
    if _decode(reply).tst_info.nonce != asked.nonce:
        raise NotVerified("the timestamp answers another question: its nonce is not ours")
    check(reply, root, ca_pem)
    return reply


def check(reply: bytes, root: bytes, ca_pem: bytes) -> datetime:
    """When the authority saw the root; NotVerified unless the reply is signed under one of these certificates."""
    found = _decode(reply)
    imprint = found.tst_info.message_imprint
    if imprint.hash_algorithm != SHA256 or imprint.message != hashlib.sha256(root).digest():
        raise NotVerified("the timestamp is of something else, not of this checkpoint")
    verifier = VerifierBuilder(roots=_certificates(ca_pem)).build()
    try:
        # Signature, chain at the time of the stamp, and the key purpose timeStamping (critical, RFC 3161, 2.3).
        verifier.verify(found, hashlib.sha256(root).digest())
    except VerificationError as fault:
        raise NotVerified(f"the timestamp does not verify: {fault}") from fault
    return found.tst_info.gen_time


def _decode(reply: bytes) -> TimeStampResponse:
    try:
        found = decode_timestamp_response(reply)
    except ValueError as fault:
        raise NotVerified("it is no RFC 3161 reply") from fault
    if found.status != 0:  # granted; "granted with mods" would be an answer to what nobody asked
        said = "; ".join(found.status_string) or "no reason given"
        raise NotVerified(f"the authority did not grant a timestamp (status {found.status}: {said})")
    return found


def _certificates(ca_pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(ca_pem)
    except ValueError as fault:
        raise NotVerified("the authority's certificate is no PEM certificate") from fault


def _post(url: str, body: bytes, answer_s: float) -> bytes:
    headers = {"Content-Type": QUERY, "Accept": REPLY}
    place = urlsplit(url).hostname or url  # a URL may hold a password
    try:
        with requests.post(url, body, headers=headers, timeout=answer_s, stream=True) as answer:
            if answer.status_code != requests.codes.ok:
                raise TsaAway(f"{place} answers HTTP {answer.status_code}")
            found = answer.raw.read(MAX_REPLY + 1, decode_content=True)
    except (requests.RequestException, OSError) as fault:
        raise TsaAway(f"{place} does not answer: {type(fault).__name__}") from fault
    if len(found) > MAX_REPLY:
        raise TsaAway(f"{place} answers more than {MAX_REPLY} bytes")
    return bytes(found)
