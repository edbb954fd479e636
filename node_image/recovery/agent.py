"""The agent: carries commands from the bus to the door and its answers back. It has no rights and keeps nothing.

It dials out only: the node's own leaf, and where that is down the hub itself, so that it works while the engine is
dead. A bus that is away is waited for; what systemd watches is that this process turns, nothing else.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from node_image.bus.config import DOMAIN, LEAF_USER
from node_image.protocol import command
from node_image.recovery.answer import ASK, Answer, Reply, digest
from node_image.recovery.fetching import fetch
from node_image.recovery.notify import notify, watchdog_s
from node_image.recovery.place import Facts, Place
from node_image.service import log

LEAF = "nats://127.0.0.1:4222"
ANSWER_S = 5.0
FETCH_S = 30.0  # between looks for a command that was left while we were cut off
AGAIN_S = 2.0  # after a look that the bus did not answer
DOOR_S = 150.0  # the door's own limit is longer than any action's
TURN_S = 5.0


class Agent:
    """One box's."""

    def __init__(self, place: Place, facts: Facts) -> None:
        self._place, self._facts = place, facts
        self._client: Client
        self._door = asyncio.Semaphore(2)  # a question while a command runs; more wait
        self._handed = b""
        self._answered = b"", Reply("")
        self._look = asyncio.Event()
        self._said: set[str] = set()

    async def run(self, servers: list[str]) -> None:
        """For ever. Until the first server answers, and whenever none does, it dials again."""
        self._client = await nats.connect(
            servers,
            dont_randomize=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            error_cb=self._fault,
            reconnected_cb=self._back,
        )
        stack, node = self._facts.stack, self._facts.node
        await self._client.subscribe(command.ask_subject(stack, node), cb=self._asked)
        await self._client.subscribe(command.subject(stack, node), cb=self._told)
        log("recovery agent serves", stack=stack, node=node)
        while True:
            self._look.clear()
            pause = FETCH_S if await self._fetch() else AGAIN_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter

    async def _fetch(self) -> bool:
        """The newest command, for one that was left while we were cut off; whether the bus answered."""
        stream = self._client.jetstream(timeout=ANSWER_S, domain=DOMAIN)
        try:
            left = await stream.get_last_msg("COMMANDS", command.subject(self._facts.stack, self._facts.node))
        except NotFoundError:
            return True  # none was left
        except (NatsError, OSError, TimeoutError) as fault:
            self._say(f"no look for commands: {type(fault).__name__}: {fault}")
            return False
        await self._hand_over(left.data or b"")
        return True

    async def _asked(self, message: Msg) -> None:
        """Who hears nothing asks again: that costs no second look, else a slow box would fall ever further behind."""
        if message.data != self._answered[0]:
            self._answered = message.data, await self._answer(message.data, ASK)
        await self._say_back(self._answered[1])

    async def _told(self, message: Msg) -> None:
        await self._hand_over(message.data)

    async def _hand_over(self, envelope: bytes) -> None:
        """Once each: the bus tells a command when it comes, and again when it is looked for."""
        if envelope != self._handed:
            self._handed = envelope
            await fetch(self._client.jetstream(timeout=ANSWER_S, domain=DOMAIN), self._place.spool, envelope)
            reply = await self._answer(envelope, envelope)
            if reply.fault:
                self._handed = b""  # the next look tries again: a door that did take it knows
            await self._say_back(reply)

    async def _answer(self, asked: bytes, request: bytes) -> Reply:
        """The door's answer in its cover, or why it gave none."""
        try:
            async with self._door, asyncio.timeout(DOOR_S):
                return Reply(digest(asked), msgspec.json.decode(await self._ask_door(request), type=Answer))
        except (OSError, TimeoutError, msgspec.DecodeError) as fault:
            log("the door said nothing", level="error", reason=f"{type(fault).__name__}: {fault}")
            return Reply(digest(asked), fault=f"the door: {type(fault).__name__}: {fault}")

    async def _say_back(self, reply: Reply) -> None:
        with suppress(NatsError):
            subject = command.reply_subject(self._facts.stack, self._facts.node)
            await self._client.publish(subject, msgspec.json.encode(reply))

    async def _ask_door(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(self._place.socket))
        try:
            writer.write(request)
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()

    async def _back(self) -> None:
        self._said.clear()
        self._look.set()

    async def _fault(self, fault: Exception) -> None:
        self._say(str(fault))

    def _say(self, reason: str) -> None:
        """Once, however often it is so: a bus may be away for days."""
        if reason not in self._said:
            log("bus", level="warning", node=self._facts.node, reason=reason)
            self._said.add(reason)


async def _turn() -> None:
    """Signs of life, as long as this loop turns."""
    notify("READY=1")
    pause = min(TURN_S, watchdog_s() / 3 or TURN_S)
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(pause)


async def _serve(place: Place) -> None:
    facts = place.facts()
    secret = (place.settings / "bus.secret").read_text().strip()
    async with asyncio.TaskGroup() as group:
        group.create_task(_turn())
        group.create_task(Agent(place, facts).run([LEAF, f"nats://{LEAF_USER}:{secret}@{facts.hub}:4222"]))


def main() -> int:
    """Serve until killed: there is nothing to finish."""
    asyncio.run(_serve(Place.here()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
