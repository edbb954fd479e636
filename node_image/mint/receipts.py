"""Receipts of a node's claims.

What only the hub knows (anchor, transaction) is asked of its ledger; a node that is cut off answers alone, and its
receipts say "not yet anchored".
"""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from node_image.mint.asking import Asking
from node_image.protocol import receipt
from node_image.protocol.facts import DropFacts
from node_image.protocol.manifest import Manifest, Membership, memberships
from node_image.protocol.receipt import Anchor, LeaseBody, Receipt
from node_image.protocol.voucher import Voucher
from node_image.signer.client import SignerAway, SignerRefused

ANSWER_S = 0.3  # a front gives a node 0.8 s in all, and the buyer's receipt is there without the hub
QUIET_S = 5.0  # after a failure nobody waits for the hub again so soon
KEPT = 4096
OK, NOT_FOUND = 200, 404


class Anchored(msgspec.Struct, frozen=True):
    """The ledger's answer, what of it a receipt carries."""

    root: str
    proof: tuple[str, ...]
    tx: str | None = None
    timestamp: bytes | None = None


class Redeemed(msgspec.Struct, frozen=True):
    """The ledger's answer on one voucher."""

    tx: str | None = None


@dataclass(slots=True)
class Ledger:
    """The hub's, over HTTP; without a URL, or while it does not answer, it knows nothing."""

    url: str = ""
    _quiet_until: float = 0.0
    _anchors: dict[tuple[str, int], Anchor] = field(default_factory=dict)

    async def about(self, voucher: Voucher) -> tuple[Anchor | None, str | None]:
        """The batch's anchor, and the transaction that redeemed the token."""
        if not self.url or time.monotonic() < self._quiet_until:
            return self._kept(voucher), None
        try:
            return await asyncio.to_thread(self._ask, voucher)
        except (OSError, http.client.HTTPException, msgspec.MsgspecError):
            self._quiet_until = time.monotonic() + QUIET_S
            return self._kept(voucher), None

    def _kept(self, voucher: Voucher) -> Anchor | None:
        return self._anchors.get((voucher.batch.grant_id, voucher.batch.batch_seq))

    def _ask(self, voucher: Voucher) -> tuple[Anchor | None, str | None]:
        place, body, batch = urlsplit(self.url), voucher.voucher, voucher.batch
        line = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=ANSWER_S)
        try:
            anchor = self._kept(voucher)
            if anchor is None or anchor.timestamp is None:  # the timestamp comes later than the anchor, or never
                anchor = self._anchor(line, batch.grant_id, batch.batch_seq)
            redeemed = _get(line, f"/v1/vouchers/{batch.grant_id}/{body.tier}/{body.seq}", Redeemed)
            return anchor, redeemed.tx if redeemed else None
        finally:
            line.close()

    def _anchor(self, line: http.client.HTTPConnection, grant_id: str, batch_seq: int) -> Anchor | None:
        found = _get(line, f"/v1/anchors/{grant_id}/{batch_seq}", Anchored)
        if found is None:
            return None
        anchor = Anchor(found.root, found.proof, found.tx, found.timestamp)
        if found.tx is not None:  # on chain for good
            if len(self._anchors) >= KEPT:
                self._anchors.pop(next(iter(self._anchors)))
            self._anchors[grant_id, batch_seq] = anchor
        return anchor


def _get[T](line: http.client.HTTPConnection, path: str, kind: type[T]) -> T | None:
    """None where the ledger knows no such thing (yet)."""
    line.request("GET", path)
    answer = line.getresponse()
    body = answer.read()
    if answer.status == NOT_FOUND:
        return None
    if answer.status != OK:
        raise http.client.HTTPException(f"the ledger answers {answer.status}")
    return msgspec.json.decode(body, type=kind)


@dataclass(frozen=True, slots=True)
class Receipts:
    """A node's receipts: from its signer, its content, and the hub where it is there."""

    facts: DropFacts
    signer: Asking
    ledger: Ledger
    proofs: dict[int, Membership]

    @classmethod
    def of(cls, facts: DropFacts, manifest: Manifest, signer: Asking, ledger: Ledger) -> Receipts:
        """The proofs of all tokens are made once."""
        return cls(facts, signer, ledger, memberships(manifest))

    async def find(self, claim_id: str) -> Receipt:
        """The receipt of a claim; SignerRefused or SignerAway."""
        told = await self.signer.ask("find", claim_id=claim_id)
        if "reserve" in told:
            raise SignerRefused("not_found", "this claim has a reserve voucher; a receipt comes with its voucher")
        voucher = msgspec.convert(told, Voucher)
        lease = _lease(await self.signer.holding(voucher.batch.grant_id), voucher.voucher.tier)
        anchor, tx = await self.ledger.about(voucher)
        proof = self.proofs.get(int(voucher.token_id))
        return receipt.make(voucher, self._epoch(voucher.batch.grant_id), lease, tx=tx, manifest=proof, anchor=anchor)

    def _epoch(self, grant_id: str) -> int:
        """Of the node's own grants; the hub's for it is of the epoch that the node began with."""
        return next((one.epoch for one in self.facts.each() if one.grant_id == grant_id), self.facts.epoch)


def _lease(status: Mapping[str, Any], tier: int) -> LeaseBody:
    held = next((lease for lease in status.get("leases", ()) if lease["tier"] == tier), None)
    if held is None:
        raise SignerAway("the signer does not say which lease the token is of")
    return LeaseBody(held["start"], held["quota"], held["not_before"], held["redeem_by"])
