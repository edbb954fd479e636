"""One round: report what was signed twice, make the checkpoints that are due, anchor those that wait.

Nothing is kept here that matters: what a kill lost between send and write, the next round finds on chain by
`issuedRoot` and by the grant's status.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable
from functools import partial

from sqlalchemy import Engine

from node_image.hub.chain import Chain, ChainRefused, Status
from node_image.hub.ledger import checkpoints, strays
from node_image.hub.ledger.checkpoints import Checkpoint, Pace
from node_image.hub.ledger.strays import Report
from node_image.service import log

MOST = 50  # acts a round, so that what comes in meanwhile is seen soon
AGAIN_S = 3.0
SHUT = {Status.FROZEN, Status.REVOKED, Status.CLOSED}


class Anchorer:
    """One account, one chain."""

    def __init__(self, chain: Chain, key: str, engine: Engine, pace: Pace) -> None:
        self._chain, self._key, self._engine, self._pace = chain, key, engine, pace
        self._shut: set[bytes] = set()  # grants whose roots the chain doesn't take from the hub now
        self._not_before: dict[Hashable, float] = {}

    def round(self) -> int:
        """Reports first: they freeze a stolen key. How many acts were done."""
        with self._engine.begin() as connection:
            reports = strays.unreported(connection)
        done = sum(
            self._try((one.grant_id, one.batch_seq, Report), partial(self._report, one)) for one in reports[:MOST]
        )
        with self._engine.begin() as connection:
            for grant_id in checkpoints.due(connection, self._pace, stacking=frozenset(self._shut)):
                checkpoints.make(connection, grant_id, self._pace.most)
            waiting = checkpoints.waiting(connection)
        return done + sum(
            self._try((one.grant_id, one.number, Checkpoint), partial(self._anchor, one)) for one in waiting[:MOST]
        )

    def _try(self, name: Hashable, act: Callable[[], bool]) -> bool:
        """What the chain refuses blocks no other act, and is tried again; a chain that is away ends the round."""
        if self._not_before.get(name, 0.0) > time.monotonic():
            return False
        try:
            done = act()
        except ChainRefused as refused:
            log("the chain refuses", level="warning", reason=str(refused))
            done = False
        if done:
            self._not_before.pop(name, None)
        else:
            self._not_before[name] = time.monotonic() + AGAIN_S * random.uniform(0.5, 1.0)  # noqa: S311  jitter
        return done

    def _report(self, report: Report) -> bool:
        """Freezes the grant, unless it is frozen or revoked already."""
        self._chain.report_equivocation(self._key, report.contract, report.first, report.second)
        with self._engine.begin() as connection:
            strays.write_reported(connection, report)
        log("equivocation reported", level="error", drop=report.drop, grant_id=report.first["batch"]["grantId"])
        return True

    def _anchor(self, checkpoint: Checkpoint) -> bool:
        """Whether its root is on chain now, by us or by the holders."""
        grant = "0x" + checkpoint.grant_id.hex()
        if not self._chain.issued_root(checkpoint.contract, grant, checkpoint.root):
            status = self._chain.status(checkpoint.contract, grant)
            if status is not Status.OPEN:
                if status in SHUT:
                    self._shut.add(checkpoint.grant_id)
                return False
            self._shut.discard(checkpoint.grant_id)
            self._chain.anchor(self._key, checkpoint.contract, grant, checkpoint.root, checkpoint.high_seqs)
        place = self._chain.anchored(checkpoint.contract, grant, checkpoint.root)
        with self._engine.begin() as connection:
            checkpoints.write_anchored(connection, checkpoint, place)
        log("anchored", drop=checkpoint.drop, grant_id=grant, number=checkpoint.number, tx=place and place.tx)
        return True
