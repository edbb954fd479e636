"""What the cooling agent says, on the bus: at once where it is news, else now and then. No queue."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from node_image.cooling import told
from node_image.protocol.facts import DropFacts

LOOK_S = 1.0
EVERY_S = 10.0


def subject(drop: str, node: str) -> str:
    """One a node, whatever its epoch."""
    return f"cooling.{drop}.{node}"


async def tell_cooling(facts: DropFacts, run: Path, client: Client) -> None:
    """For ever, from the folder that the node's services share; only the newest, nothing is kept for later."""
    last, told_at = None, 0.0
    while True:
        said = told.read_fresh(run / told.FILE)
        due = time.monotonic() - told_at >= EVERY_S
        if said and client.is_connected and (due or _news(said) != last):
            last, told_at = _news(said), time.monotonic()
            await _publish(client, subject(facts.drop, facts.node), msgspec.json.encode(said))
        await asyncio.sleep(LOOK_S)


async def _publish(client: Client, name: str, body: bytes) -> None:
    try:
        await client.publish(name, body)
    except (NatsError, OSError):
        return  # the next one says it again


def _news(said: told.Told) -> tuple[object, ...]:
    return said.rung, said.weight, tuple(one.verdict for one in said.sensors)
