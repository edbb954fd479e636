"""The signers of a node's grants as one: the oldest epoch is spent first, and a claim is never signed by two.

An epoch says `sold_out` or `closed` of a claim only where it gave it no voucher, and says so for ever after: only then
is the next one asked. An epoch that can't answer might hold the claim, so nobody is asked in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from node_image.signer.client import SignerAway, SignerRefused

SPENT = frozenset({"sold_out", "closed"})
OF_THE_HOLDER = frozenset({"find", "receive"})  # what the epoch that gave the voucher alone can answer


class Asks(Protocol):
    """What the mint needs of a signer."""

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """One request and its answer; SignerRefused or SignerAway."""


def epochs(signers: Mapping[int, Asks]) -> Asks:
    """By epoch; one alone is asked directly."""
    return Epochs(signers) if len(signers) > 1 else next(iter(signers.values()))


def of_grant(status: Mapping[str, Any], grant_id: str) -> Mapping[str, Any]:
    """What a status says of one grant; nothing where that one's signer is away."""
    return next((one for one in status.get("epochs", (status,)) if one.get("grant_id") == grant_id), {})


class Epochs:
    """Two or more signers of one node."""

    def __init__(self, signers: Mapping[int, Asks]) -> None:
        self._signers = dict(sorted(signers.items()))

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """As one signer would answer."""
        if op == "status":
            return merged([await self._status(epoch, signer) for epoch, signer in self._signers.items()])
        if op in OF_THE_HOLDER:
            return await self._holder(op, fields)
        return await self._oldest(op, fields)

    async def _oldest(self, op: str, fields: Mapping[str, object]) -> dict[str, Any]:
        """Of the first that is not spent; where all are, the newest one's no."""
        *older, newest = self._signers.values()
        for signer in older:
            try:
                return await signer.ask(op, **fields)
            except SignerRefused as refusal:
                if refusal.code not in SPENT:
                    raise
        return await newest.ask(op, **fields)

    async def _holder(self, op: str, fields: Mapping[str, object]) -> dict[str, Any]:
        """From whoever holds its voucher, else its reserve voucher; "not found" is said only where all say so."""
        fault: SignerRefused | SignerAway | None = None
        reserved: dict[str, Any] = {}
        for signer in self._signers.values():
            try:
                told = await signer.ask(op, **fields)
            except (SignerRefused, SignerAway) as no:
                if fault is None or getattr(no, "code", "") != "not_found":
                    fault = no
                continue
            if "reserve" not in told:
                return told
            reserved = reserved or told
        if reserved:
            return reserved
        raise fault or SignerAway("this node has no signer")

    @staticmethod
    async def _status(epoch: int, signer: Asks) -> dict[str, Any]:
        try:
            return {"epoch": epoch, **await signer.ask("status")}
        except SignerAway as fault:
            return {"epoch": epoch, "ready": False, "reason": str(fault)}


def merged(told: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One status of all: the newest epoch's, with what is given and left added up, and each one's own as `epochs`."""
    each = [dict(one) for one in told]
    selling = next((one for one in each if not one.get("closed")), each[-1])  # whom a new claim comes to first
    return {
        **each[-1],
        "ready": bool(selling["ready"]),
        "reason": selling["reason"],
        "keystore": selling.get("keystore"),
        "issued": _sum(one.get("issued", {}) for one in each),
        "left": _sum(one.get("left", {}) for one in each),
        "epochs": each,
    }


def _sum(by_tier: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in by_tier:
        for tier, count in one.items():
            found[tier] = found.get(tier, 0) + count
    return found
