"""A connection to the hub's bus from the control side, as one of the hub's own services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from infra import keys
from node_image.bus.config import HUB_USER

if TYPE_CHECKING:
    from nats.aio.client import Client


@asynccontextmanager
async def connected(place: str, answer_s: float) -> AsyncIterator[Client]:
    """To `place`, host:port; NatsError, OSError or TimeoutError where nobody answers there in time."""
    import nats  # noqa: PLC0415  refresh and preview load who uses this, and say nothing

    async with asyncio.timeout(answer_s):  # the client's own limits are for one try of sixty
        client = await nats.connect(
            f"nats://{place}",
            user=HUB_USER,
            password=keys.bus_secret(),
            connect_timeout=answer_s,
            allow_reconnect=False,
            error_cb=_unsaid,
        )
    try:
        yield client
    finally:
        await client.close()


async def _unsaid(_: Exception) -> None:
    """A try that failed is no news: by its own, the client prints each one's traceback."""
