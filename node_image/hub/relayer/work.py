"""One round: what the chain says was redeemed, then what is to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_account import Account
from sqlalchemy import Engine

from node_image.hub import redemption
from node_image.hub.chain import Chain, Status
from node_image.hub.redemption import Redemption
from node_image.hub.relayer import pending
from node_image.hub.relayer.pending import Drop
from node_image.service import log

SUSPECTED = {Status.FROZEN, Status.REVOKED}


class Relayer:
    """One account, one chain. Nothing is kept here: a kill loses only the answer, which the events bring back."""

    def __init__(self, chain: Chain, key: str, engine: Engine) -> None:
        self._chain, self._key, self._engine = chain, key, engine
        self._address = str(Account.from_key(key).address)
        self._seen: dict[str, frozenset[str]] = {}  # of the last block, whose events are read again

    def round(self) -> int:
        """Every drop once; how many vouchers were sent."""
        with self._engine.begin() as connection:
            found = pending.read_drops(connection)
        return sum(self._drop(drop) for drop in found)

    def _drop(self, drop: Drop) -> int:
        """Events first: what somebody else redeemed, or we did before a kill, is not sent again."""
        if not self._chain.has_code(drop.contract):
            return 0
        redeemed = self._chain.redemptions(drop.contract, drop.scanned)
        self._watch(drop, redeemed)
        with self._engine.begin() as connection:
            pending.write_redemptions(connection, drop, redeemed)
            if redeemed:
                pending.write_scanned(connection, drop, max(one.block for one in redeemed))
            issued = pending.read_issued(connection, drop)
            waiting = pending.read_pending_grants(connection, drop)
        suspected = self._suspected(drop, waiting | {_grant(one) for one in issued})
        with self._engine.begin() as connection:
            pending.write_held(connection, drop, suspected)
            pending.write_let_go(connection, drop, waiting - suspected)
            proven = pending.read_proven(connection, drop, suspected)
        plain = [one for one in issued if _grant(one) not in suspected]
        return self._redeem(drop, plain) + self._redeem(drop, proven)

    def _watch(self, drop: Drop, redeemed: Sequence[Redemption]) -> None:
        """What others redeemed may be of a cloned key: the batches in their calls are compared with the ledger's."""
        seen = self._seen.get(drop.name, frozenset())
        for tx in {one.tx for one in redeemed} - seen:
            sender, call = self._chain.transaction(tx)
            if sender != self._address:
                with self._engine.begin() as connection:
                    pending.watch(connection, redemption.batches_in(call))
        self._seen[drop.name] = frozenset(one.tx for one in redeemed if one.block == redeemed[-1].block)

    def _suspected(self, drop: Drop, grants: set[bytes]) -> set[bytes]:
        """Those that are frozen or revoked: of these the chain takes what is proven, and nothing else."""
        return {one for one in grants if self._chain.status(drop.contract, "0x" + one.hex()) in SUSPECTED}

    def _redeem(self, drop: Drop, vouchers: Sequence[Mapping[str, Any]]) -> int:
        if vouchers:
            outcome = self._chain.redeem_many(self._key, drop.contract, vouchers)
            with self._engine.begin() as connection:
                pending.write_outcome(connection, drop, vouchers, outcome)
            log("redeemed", drop=drop.name, tokens=len(outcome.redeemed), skipped=len(outcome.skipped), tx=outcome.tx)
        return len(vouchers)


def _grant(voucher: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(voucher["batch"]["grantId"].removeprefix("0x"))
