"""The hub's cloud signer as a node asks it: one try with a time limit, and a pause where nobody answers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from node_image.signer.client import SignerAway, SignerClient

PAUSE_S = 5.0


class CloudSigner:
    """Asked once; after no answer it is left alone for a random while, so that its return isn't met by all at once."""

    def __init__(
        self,
        client: SignerClient,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._clock, self._jitter = client, clock, jitter
        self._again_at = 0.0

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """Its answer; SignerRefused, or SignerAway at once while it is left alone."""
        if self._clock() < self._again_at:
            raise SignerAway("the cloud signer did not answer a moment ago")
        try:
            return await self._client.ask(op, **fields)
        except SignerAway:
            self._again_at = self._clock() + PAUSE_S * (0.5 + self._jitter())
            raise
