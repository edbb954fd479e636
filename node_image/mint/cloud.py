"""The hub's cloud signer as a node asks it: mutual TLS, one try with a time limit, and a pause where nobody answers."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node_image.signer.client import SignerAway, SignerClient

ANSWER_S = 3.0
DIAL_S = 2.0
PAUSE_S = 5.0


def client_context(own_pem: Path, authority_pem: Path) -> ssl.SSLContext:
    """A node's side: the hub's certificate names its address, the system's authorities count for nothing."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(authority_pem))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(own_pem)
    return context


class TlsSignerClient(SignerClient):
    """The signer's messages over mutual TLS."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(Path(), ANSWER_S)
        self._host, self._port, self._context = host, port, context

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opening = asyncio.open_connection(self._host, self._port, ssl=self._context)
        try:
            return await asyncio.wait_for(opening, DIAL_S)
        except (OSError, TimeoutError) as fault:
            raise SignerAway(f"the cloud signer does not answer: {type(fault).__name__}") from fault


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
