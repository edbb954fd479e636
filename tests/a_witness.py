"""A witness of the tests' own, asked and answered through the signer's socket as the courier does it for the hub."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from node_image.protocol import dsse, witness
from node_image.protocol.hexes import unhex
from node_image.protocol.journal import NO_HEAD
from node_image.protocol.witness import Statement
from node_image.signer.client import SignerAway, SignerClient, SignerRefused

START_S = 60.0


def wall_ms() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Witness:
    """It saw `frames` frames of a journal, with `head` after them; `now_ms` is its clock."""

    key: bytes = field(default_factory=dsse.new_private_pem)
    frames: int = 0
    head: bytes = NO_HEAD
    now_ms: Callable[[], int] = wall_ms
    name: str = witness.HUB

    @property
    def public(self) -> dict[str, str]:
        """As drop.json names it."""
        return {self.name: dsse.public_pem(self.key).decode()}

    def answer(self, grant_id: str, nonce: bytes) -> bytes:
        """What it says to this question, now."""
        told = Statement(1, self.name, grant_id, _hex(nonce), self.frames, 0, _hex(self.head), self.now_ms())
        return witness.sign(told, self.key)

    async def vouch(self, client: SignerClient) -> dict[str, Any]:
        """Ask and answer once; what the signer says to it."""
        asked = await client.ask("question")
        return await client.ask("witness", envelope=self.answer(asked["grant_id"], asked["nonce"]))

    async def vouch_soon(self, client: SignerClient) -> dict[str, Any]:
        """The same with a signer that is just starting."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                return await self.vouch(client)
            except (SignerAway, SignerRefused):
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.05)  # the pace of asking

    @contextmanager
    def on_the_bus(self, drop: str, url: str, user: str, password: str) -> Iterator[None]:
        """Every question of a drop's nodes is answered, as the hub's ledger does it."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            client = asyncio.run_coroutine_threadsafe(self._listen(drop, url, user, password), loop).result(START_S)
            yield
            asyncio.run_coroutine_threadsafe(client.close(), loop).result(START_S)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _listen(self, drop: str, url: str, user: str, password: str) -> Client:
        client = await nats.connect(url, user=user, password=password)

        async def told(message: Msg) -> None:
            question = witness.read_question(message.data)
            await message.respond(self.answer(question.grant_id, unhex(question.nonce)))

        await client.subscribe(witness.subject(drop, "*"), cb=told)
        return client


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
