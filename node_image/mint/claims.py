"""Claims from JSON to the signer and back: parse once, map each refusal to its HTTP answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from node_image.protocol.eip712 import ZERO_ADDRESS
from node_image.protocol.facts import DropFacts


class ClaimBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a buyer posts: for a wallet (`to`) or for a claim key; hex with 0x."""

    claim_id: str
    tier: str
    slot: int
    signature: str
    to: str | None = None
    claim_key: str | None = None


class ReceiverBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a claim key names, with its signature; hex with 0x."""

    receiver: str
    signature: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as every client reads it: `{"error": {code, message, hint}}`."""

    status: HTTPStatus
    code: str
    message: str
    hint: str
    retry_after_s: int | None = None

    def body(self) -> bytes:
        """The JSON."""
        return msgspec.json.encode({"error": {"code": self.code, "message": self.message, "hint": self.hint}})


class BadClaim(Exception):
    """The claim cannot be read."""


# The signer's codes -> what a client is told (docs/architecture.md).
_ANSWERS: dict[str, tuple[HTTPStatus, str, int | None]] = {
    "bad_claim": (HTTPStatus.BAD_REQUEST, "see POST /v1/claims in docs/architecture.md", None),
    "wallet_cap": (
        HTTPStatus.FORBIDDEN,
        "take another slot below the tier's wallet cap, another wallet or another key",
        None,
    ),
    "not_found": (HTTPStatus.NOT_FOUND, "post the claim again: the same claim_id gives the same voucher", None),
    "conflict": (HTTPStatus.CONFLICT, "use a new claim_id for another claim", None),
    "sold_out": (HTTPStatus.GONE, "another geography may have some left", None),
    "closed": (HTTPStatus.GONE, "the drop is over", None),
    "closed_out": (HTTPStatus.SERVICE_UNAVAILABLE, "send the same claim again: another node answers it", 1),
    "not_open": (HTTPStatus.TOO_EARLY, "come back when the window opens", 5),
    "not_ready": (HTTPStatus.SERVICE_UNAVAILABLE, "send the same claim again", 1),
    "quota": (HTTPStatus.SERVICE_UNAVAILABLE, "send the same claim again: another node answers it", 1),
    "too_hot": (HTTPStatus.SERVICE_UNAVAILABLE, "send the same claim again: another node answers it", 10),
    "drained": (HTTPStatus.SERVICE_UNAVAILABLE, "send the same claim again: another node answers it", 10),
    "stopped": (HTTPStatus.SERVICE_UNAVAILABLE, "send the same claim again: another node answers it", 1),
}


def problem(code: str, message: str, retry_after_s: float | None = None) -> Problem:
    """The HTTP answer to a refusal of the signer; HTTP counts Retry-After in whole seconds."""
    status, hint, retry = _ANSWERS.get(code, _ANSWERS["stopped"])
    if retry_after_s is not None:
        retry = max(1, math.ceil(retry_after_s))
    return Problem(status, code, message, hint, retry)


def read_claim(body: bytes, facts: DropFacts) -> dict[str, object]:
    """The signer's `claim` fields; BadClaim names what cannot be read."""
    try:
        claim = msgspec.json.decode(body, type=ClaimBody)
    except msgspec.DecodeError as fault:
        raise BadClaim(str(fault)) from fault
    tiers = {tier.name: tier.tier for tier in facts.tiers}
    if claim.tier not in tiers:
        raise BadClaim(f"tier: there is no {claim.tier[:40]!r}; there are {', '.join(tiers)}")
    return {
        "claim_id": claim.claim_id,
        "tier": tiers[claim.tier],
        **_who(claim),
        "slot": claim.slot,
        "signature": _bytes("signature", claim.signature, 65),
    }


def answers(voucher: Mapping[str, Any], asked: Mapping[str, object]) -> bool:
    """Whether this is the voucher of what is asked, and not of another claim of the same id."""
    made = voucher.get("voucher", {})
    names = (("tier", "tier"), ("slot", "slot"), ("to", "to"), ("claimKey", "claim_key"))
    return all(made.get(its) == _shown(asked.get(mine, ZERO_ADDRESS)) for its, mine in names)


def _shown(value: object) -> object:
    return "0x" + value.hex() if isinstance(value, bytes) else value


def _who(claim: ClaimBody) -> dict[str, bytes]:
    if claim.to is not None and claim.claim_key is None:
        return {"to": _bytes("to", claim.to, 20)}
    if claim.claim_key is not None and claim.to is None:
        return {"to": ZERO_ADDRESS, "claim_key": _bytes("claim_key", claim.claim_key, 20)}
    raise BadClaim("who gains: give `to`, a wallet, or `claim_key`, and not both")


def read_receiver(body: bytes) -> dict[str, bytes]:
    """The signer's `receive` fields but for the claim's id; BadClaim names what cannot be read."""
    try:
        told = msgspec.json.decode(body, type=ReceiverBody)
    except msgspec.DecodeError as fault:
        raise BadClaim(str(fault)) from fault
    return {
        "receiver": _bytes("receiver", told.receiver, 20),
        "signature": _bytes("signature", told.signature, 65),
    }


def _bytes(name: str, text: str, length: int) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as fault:
        raise BadClaim(f"{name}: not hex") from fault
    if len(found) != length:
        raise BadClaim(f"{name}: {len(found)} bytes, {length} are right")
    return found
