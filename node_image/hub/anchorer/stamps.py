"""Timestamps beside the anchors: an authority's word on when the root was there, for who doubts the chain's clock.

In a thread of its own, so that an authority that hangs holds up no anchor and no report of a stolen key.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from node_image.hub.ledger import checkpoints
from node_image.hub.timestamp import stamp
from node_image.service import log

MOST = 50  # stamps a round


@dataclass(frozen=True, slots=True)
class Stamper:
    """One authority, and the certificates that its answers must lead to."""

    engine: Engine
    tsa_url: str
    ca_pem: bytes

    def round(self) -> int:
        """How many anchored checkpoints were stamped; TsaAway or NotVerified ends it, what was stamped stays."""
        with self.engine.connect() as connection:
            wanting = checkpoints.unstamped(connection, MOST)
        for grant_id, number, root in wanting:
            reply = stamp(root, self.tsa_url, self.ca_pem)
            with self.engine.begin() as connection:
                checkpoints.write_stamp(connection, grant_id, number, reply)
            log("stamped", grant_id="0x" + grant_id.hex(), number=number)
        return len(wanting)
