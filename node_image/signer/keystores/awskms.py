"""`awskms:`: a managed HSM, ECC_SECG_P256K1 keys by alias. Credentials come by AWS's own means, never by the URI.

boto3 is asked for only here: the hub's image carries it, a node's does not.
"""

from __future__ import annotations

import importlib
import math
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from node_image.protocol.signature import to_rsv
from node_image.signer.keystores.base import HsmFault, Kind, Misfit, QuotaSpent

FORM = "awskms:?region=<region>[&endpoint=<url>][&timeout=<seconds>][&tries=<n>]"
SPEC = "ECC_SECG_P256K1"
TIMEOUT_S, TRIES, MOST_TRIES = 3.0, 2, 5
THROTTLED_S = 1.0
THROTTLED = {"ThrottlingException", "LimitExceededException", "RequestLimitExceeded", "TooManyRequestsException"}
FORGET_DAYS = 7  # the shortest that KMS takes


class AwsKmsKeystore:
    """One region's KMS."""

    def __init__(self, region: str, endpoint: str | None, timeout_s: float, tries: int) -> None:
        try:
            boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
            self._faults = importlib.import_module("botocore.exceptions")
        except ModuleNotFoundError as fault:
            raise Misfit(
                f"awskms: needs {fault.name}, which this image does not carry",
                "a node uses pkcs11:; awskms: is for the hub's cloud signer",
            ) from fault
        # Bounded: all tries together stay below what a buyer waits.
        limits = config.Config(
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            retries={"mode": "standard", "total_max_attempts": tries},
        )
        try:
            self._client = boto3.Session().client("kms", region_name=region, endpoint_url=endpoint, config=limits)
        except (ValueError, self._faults.BotoCoreError) as fault:
            raise Misfit(f"awskms: cannot be set up: {type(fault).__name__}", f"its form is {FORM}") from fault

    def key(self, label: str) -> AwsKmsKey:
        """The key behind `alias/edgedrop/<label>`, made on first need; from then on it is named by its own id."""
        alias = f"alias/edgedrop/{label}"
        found = self._find(alias) or self._make(alias, label)
        return AwsKmsKey(self, found, _point(self.call("get_public_key", KeyId=found)["PublicKey"]))

    def destroy(self, label: str) -> None:
        """Not from here: KMS keeps a key for days, and only its account may say so."""
        raise HsmFault(f"alias/edgedrop/{label} is given up at KMS itself: aws kms schedule-key-deletion")

    def _find(self, alias: str) -> str | None:
        try:
            return str(self._ask("describe_key", KeyId=alias)["KeyMetadata"]["KeyId"])
        except self._faults.ClientError as fault:
            if _code(fault) == "NotFoundException":
                return None
            raise self._fault("describe_key", fault) from fault

    def _make(self, alias: str, label: str) -> str:
        """Of two that make it at once, one gets the alias; the other's key is thrown away and the first is used."""
        told = self.call("create_key", KeySpec=SPEC, KeyUsage="SIGN_VERIFY", Description=f"Edgedrop grant {label}")
        made = str(told["KeyMetadata"]["KeyId"])
        try:
            self._ask("create_alias", AliasName=alias, TargetKeyId=made)
        except self._faults.ClientError as fault:
            with suppress(HsmFault):  # it costs a little and does no harm
                self.call("schedule_key_deletion", KeyId=made, PendingWindowInDays=FORGET_DAYS)
            if _code(fault) != "AlreadyExistsException":
                raise self._fault("create_alias", fault) from fault
        return self._find(alias) or made

    def call(self, name: str, **told: Any) -> dict[str, Any]:
        """One operation of KMS; HsmFault with its error code, never with what was sent."""
        try:
            return self._ask(name, **told)
        except self._faults.ClientError as fault:
            raise self._fault(name, fault) from fault

    def _ask(self, name: str, **told: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, name)(**told)
        except self._faults.BotoCoreError as fault:
            raise HsmFault(f"KMS does not answer {name}: {type(fault).__name__}") from fault
        return answer

    def _fault(self, name: str, fault: Exception) -> HsmFault:
        """AWS's own limit is a spent quota like ours."""
        code = _code(fault)
        return QuotaSpent(THROTTLED_S) if code in THROTTLED else HsmFault(f"KMS refuses {name}: {code}")


class AwsKmsKey:
    """A key that stays in KMS."""

    def __init__(self, store: AwsKmsKeystore, key_id: str, public: bytes) -> None:
        self._store, self._key_id = store, key_id
        self.public = public

    def sign(self, digest: bytes) -> bytes:
        """KMS gives DER; r and s out of it, low-s, v by recovery."""
        told = self._store.call(
            "sign", KeyId=self._key_id, Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256"
        )
        r, s = decode_dss_signature(told["Signature"])
        return to_rsv(digest, r.to_bytes(32) + s.to_bytes(32), self.public)


def _point(der: bytes) -> bytes:
    """The key as 65 bytes; one of another curve is no grant's key."""
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise HsmFault("KMS gives a public key that cannot be read") from fault
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256K1):
        raise HsmFault(f"the key behind this alias in KMS is not {SPEC}")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _code(fault: Exception) -> str:
    response: dict[str, Any] = getattr(fault, "response", {})
    return str(response.get("Error", {}).get("Code", type(fault).__name__))


def _of_uri(told: dict[str, str]) -> AwsKmsKeystore:
    endpoint = urlsplit(told.get("endpoint", ""))
    if "@" in endpoint.netloc or endpoint.scheme not in {"", "http", "https"}:
        raise Misfit("awskms: takes an endpoint of http or https and without a password in it", f"its form is {FORM}")
    try:
        timeout, tries = float(told.get("timeout", TIMEOUT_S)), int(told.get("tries", TRIES))
    except ValueError:
        timeout, tries = math.nan, 0
    if not (0 < timeout <= TIMEOUT_S * MOST_TRIES and 0 < tries <= MOST_TRIES):
        raise Misfit(f"awskms: takes a timeout in seconds and 1 to {MOST_TRIES} tries", f"its form is {FORM}")
    return AwsKmsKeystore(told["region"], told.get("endpoint"), timeout, tries)


KIND = Kind(FORM, frozenset({"region"}), frozenset({"endpoint", "timeout", "tries"}), _of_uri)
