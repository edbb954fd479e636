"""Say it on the hub's bus: an envelope on a subject, kept by the stream, acknowledged before we go on."""

from __future__ import annotations

import asyncio

import nats

from infra import keys
from infra.errors import Unreachable
from node_image.bus.config import HUB_USER

CONNECT_S = 5
ANSWER_S = 5


def announce(bus: str, subject: str, envelope: bytes) -> None:
    """Publish and wait until the stream has it; `bus` is the hub's address."""
    try:
        asyncio.run(_publish(bus, subject, envelope))
    except (OSError, TimeoutError, nats.errors.Error) as fault:
        raise Unreachable(f"the hub's bus at {bus} took nothing on {subject}: {fault!r}", "is the lab up?") from fault


async def _publish(bus: str, subject: str, envelope: bytes) -> None:
    client = await nats.connect(
        f"nats://{bus}:4222",
        user=HUB_USER,
        password=keys.bus_secret(),
        connect_timeout=CONNECT_S,
        allow_reconnect=False,
    )
    try:
        await client.jetstream().publish(subject, envelope, timeout=ANSWER_S)
    finally:
        await client.close()
