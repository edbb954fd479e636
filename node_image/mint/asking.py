"""Whom the mint asks: the node's own signer, and where its HSM is out the hub's.

The hub answers from another lease. Should both have answered one claim, their vouchers carry the same nullifier ((tier,
wallet, slot), or the claim key), so one of them redeems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from node_image.mint.cloud import CloudSigner
from node_image.mint.epochs import OF_THE_HOLDER, Asks, of_grant
from node_image.signer.client import SignerAway, SignerRefused

HSM_IS_OUT = frozenset({"stopped", "quota"})
# What the hub says of a claim, and not of its own state, is the buyer's answer too. "closed" may be its grant alone.
OF_THE_CLAIM = frozenset({"bad_claim", "conflict", "wallet_cap", "not_open"})


@dataclass(frozen=True, slots=True)
class Asking:
    """`cloud` is None where this node has none."""

    own: Asks
    cloud: CloudSigner | None = None

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """The own signer's answer, or the hub's where that one can't; SignerRefused or SignerAway as the own has it."""
        try:
            told = await self.own.ask(op, **fields)
        except SignerRefused as refusal:
            if self.cloud is None or not _asks_on(op, refusal.code):
                raise
            return await self._ask_cloud(self.cloud, refusal, op, fields)
        if self.cloud is None or op != "find" or "reserve" not in told:
            return told
        return await self._voucher_since(self.cloud, told, fields)

    async def holding(self, grant_id: str) -> Mapping[str, Any]:
        """The status of the signer that holds this grant; SignerAway where none that answers does."""
        told = of_grant(await self.own.ask("status"), grant_id)
        if not told and self.cloud is not None:
            told = of_grant(await self.cloud.ask("status"), grant_id)
        if not told:
            raise SignerAway("no signer that answers holds this grant")
        return told

    async def cloud_ready(self, own: dict[str, Any]) -> bool:
        """By its own status this node's HSM is out, and the hub's signer has something left for this node.

        A grant that is closed answers for itself, and asks nobody.
        """
        if self.cloud is None or own.get("closed") or not (own.get("keystore") or {}).get("down"):
            return False
        try:
            told = await self.cloud.ask("status")
        except (SignerAway, SignerRefused):
            return False
        return bool(told["ready"]) and any(left > 0 for left in told["left"].values())

    @staticmethod
    async def _voucher_since(cloud: CloudSigner, reserved: dict[str, Any], fields: dict[str, object]) -> dict[str, Any]:
        """What the hub signed for a claim that has a reserve voucher here; that one where it signed nothing."""
        try:
            told = await cloud.ask("find", **fields)
        except (SignerAway, SignerRefused):
            return reserved
        return reserved if "reserve" in told else told

    @staticmethod
    async def _ask_cloud(
        cloud: CloudSigner, refusal: SignerRefused, op: str, fields: dict[str, object]
    ) -> dict[str, Any]:
        try:
            return await cloud.ask(op, **fields)
        except SignerAway:
            raise refusal from None
        except SignerRefused as other:
            raise (other if other.code in OF_THE_CLAIM else refusal) from None


def _asks_on(op: str, code: str) -> bool:
    """A claim where the HSM is out; what is asked of a voucher that the hub may have given while it was."""
    return (op == "claim" and code in HSM_IS_OUT) or (op in OF_THE_HOLDER and code in HSM_IS_OUT | {"not_found"})
