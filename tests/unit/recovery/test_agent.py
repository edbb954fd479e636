"""The agent between a real hub, a real leaf and the door behind a real socket; and alone, with no bus at all."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from infra.provision.parcels import put
from node_image.bus.config import DOMAIN, HUB_USER, LEAF_USER
from node_image.hub.ledger.streams import ensure
from node_image.protocol import command, dsse, parcel
from node_image.protocol.command import Logs, Reimage, Restart
from node_image.protocol.parcel import Document
from node_image.recovery import clock, telling
from node_image.recovery.agent import Agent
from node_image.recovery.answer import Answer, Reply, digest
from tests.e2e.hub_world import NATS, leaf_bus, nats_server
from tests.unit.recovery.box import ACTIVATE, FACTS, NODE, OWNER, STACK, FakeBox, open_door, signed

pytestmark = pytest.mark.skipif(not (ACTIVATE and NATS.exists()), reason="no nats-server or no systemd here")
SECRET = "bus-secret"


@dataclass(frozen=True, slots=True)
class World:
    """A box with its door open, and where the bus is."""

    box: FakeBox
    hub: str
    leaf: str

    @property
    def direct(self) -> str:
        """The hub, as a node's agent dials it past its leaf."""
        return self.hub.replace("nats://", f"nats://{LEAF_USER}:{SECRET}@")


@pytest.fixture
def world(box: FakeBox, tmp_path: Path) -> Iterator[World]:
    with open_door(box), leaf_bus(tmp_path, SECRET) as (hub, leaf):
        yield World(box, hub, leaf)


@asynccontextmanager
async def running(world: World, *servers: str) -> AsyncIterator[Agent]:
    """The agent, in this process."""
    agent = Agent(world.box.place, FACTS)
    task = asyncio.create_task(agent.run(list(servers)))
    try:
        yield agent
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def responder(world: World) -> AsyncIterator[Client]:
    """At the hub, which takes a moment to stand."""
    client = await nats.connect(
        world.hub, user=HUB_USER, password=SECRET, max_reconnect_attempts=50, reconnect_time_wait=0.1
    )
    try:
        await ensure(client.jetstream())
        yield client
    finally:
        await client.close()


async def asked(client: Client, subject: str, body: bytes) -> Answer:
    """Said until it is answered: nobody keeps a question for an agent that has not subscribed yet."""
    replies = await client.subscribe(command.reply_subject(STACK, NODE))
    for _ in range(40):
        await client.publish(subject, body)
        with suppress(TimeoutError):
            while True:
                reply = msgspec.json.decode((await replies.next_msg(0.5)).data, type=Reply)
                if reply.of == digest(body):
                    await replies.unsubscribe()
                    assert reply.answer, reply.fault
                    return reply.answer
    raise AssertionError(f"no answer on {subject}")


async def told_and_done(world: World) -> None:
    async with responder(world) as client:
        stands = await asked(client, command.ask_subject(STACK, NODE), b"one")
        envelope = signed(Restart("mint"), 1, nonce=stands.nonce)
        told = await asked(client, command.subject(STACK, NODE), envelope)
        assert told.outcome
        assert told.outcome.ok
    assert world.box.called == ["docker restart --time 10 edgedrop-mint"]


def test_a_command_over_hub_and_leaf_is_done_and_answered(world: World) -> None:
    async def scenario() -> None:
        async with running(world, world.leaf):
            await told_and_done(world)

    asyncio.run(scenario())


def test_the_largest_bundle_comes_whole(world: World) -> None:
    (world.box.place.root / "bin" / "docker").write_text("#!/bin/sh\nhead -c 100000 /dev/urandom | base64 -w 76\n")

    async def scenario() -> Answer:
        async with running(world, world.leaf), responder(world) as client:
            stands = await asked(client, command.ask_subject(STACK, NODE), b"one")
            return await asked(client, command.subject(STACK, NODE), signed(Logs(2000), 1, nonce=stands.nonce))

    outcome = asyncio.run(scenario()).outcome
    assert outcome
    with tarfile.open(fileobj=io.BytesIO(outcome.bundle)) as archive:
        sizes = {name.rpartition("/")[2]: archive.getmember(name).size for name in archive.getnames()}
    assert sizes["mint.log"] == sizes["courier.log"] == telling.MOST_LOG


@pytest.mark.parametrize("way", ["leaf", "direct"])
def test_what_a_reimage_names_is_fetched_and_what_is_no_part_of_it_goes(world: World, way: str) -> None:
    large, small = os.urandom(parcel.PART + 1), b"small"
    names = {hashlib.sha256(one).hexdigest(): one for one in (large, small)}
    wanted = {f"file {number}": name for number, name in enumerate([*names, "f" * 64])}
    document = msgspec.json.encode(Document(STACK, NODE, "e" * 64, wanted))
    files = {"d" * 64: dsse.sign(parcel.SLOT_TYPE, document, OWNER), "e" * 64: b"release", **names}
    spool = world.box.place.spool
    (spool / "of another one").write_text("x")

    async def scenario() -> Answer:
        server = world.leaf if way == "leaf" else world.direct
        async with running(world, server), responder(world) as client:
            await put(client.jetstream(), files)
            stands = await asked(client, command.ask_subject(STACK, NODE), b"one")
            envelope = signed(Reimage("e" * 64, "d" * 64, again=False), 1, nonce=stands.nonce)
            return await asked(client, command.subject(STACK, NODE), envelope)

    told = asyncio.run(scenario())
    assert {path.name: path.read_bytes() for path in spool.iterdir()} == files
    assert told.refused
    assert told.refused.code == "not_verified", "the door saw it, and it is no document of that digest"


def test_past_a_leaf_that_dies_the_agent_dials_the_hub(world: World, tmp_path: Path) -> None:
    async def scenario() -> None:
        with ExitStack() as leaf:
            first = leaf.enter_context(nats_server(tmp_path / "leaf"))
            async with running(world, first, world.direct) as agent:
                await until(lambda: url_of(agent) == first)
                leaf.close()
                await told_and_done(world)
                assert url_of(agent) == world.direct

    asyncio.run(scenario())


def url_of(agent: Agent) -> str:
    """Where it is connected now."""
    client = getattr(agent, "_client", None)
    return client.connected_url.geturl() if client is not None and client.is_connected else ""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.05)  # the pace of asking


def test_what_was_left_is_taken_once_as_far_as_the_clock_is_known(world: World) -> None:
    envelope = signed(Restart("mint"), 9)

    async def scenario() -> Answer:
        async with responder(world) as client:
            await client.jetstream().publish(command.subject(STACK, NODE), envelope)
            replies = await client.subscribe(command.reply_subject(STACK, NODE))
            await client.flush()
            async with running(world, world.leaf):
                first = msgspec.json.decode((await replies.next_msg(20)).data, type=Reply)
            async with running(world, "nats://127.0.0.1:1", world.direct):
                second = msgspec.json.decode((await replies.next_msg(20)).data, type=Reply)
            assert first.of == second.of == digest(envelope)
            assert second.answer
            assert second.answer.refused, "a restarted agent hands it over anew, and the door knows it"
            assert first.answer
            return first.answer

    answer = asyncio.run(scenario())
    if clock.interval().hi is None:
        assert answer.refused
        assert answer.refused.code == "clock_unknown"
    assert len(world.box.called) == (0 if clock.interval().hi is None else 1)


def test_a_leaf_can_command_nobody(world: World) -> None:
    async def scenario() -> None:
        async with responder(world) as client:
            other = await nats.connect(world.leaf)
            heard = await client.subscribe(">")
            for _ in range(40):
                for subject in (command.subject(STACK, NODE), command.ask_subject(STACK, NODE)):
                    await other.publish(subject, b"mine")
                await other.publish(command.reply_subject(STACK, NODE), b"mine")
                with suppress(TimeoutError):
                    first = await heard.next_msg(0.5)
                    break
            assert first.subject == command.reply_subject(STACK, NODE), (
                "the others were said before it, and went nowhere"
            )
            with pytest.raises(NotFoundError):
                await client.jetstream(domain=DOMAIN).get_last_msg("COMMANDS", command.subject(STACK, NODE))
            await other.close()

    asyncio.run(scenario())


def test_without_a_bus_it_lives_and_says_so(box: FakeBox) -> None:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(box.place.root / "notify"))
    heard.settimeout(20)
    told = box.env | {"NOTIFY_SOCKET": str(box.place.root / "notify"), "WATCHDOG_USEC": "300000"}
    agent = subprocess.Popen([sys.executable, "-m", "node_image.recovery.agent"], env=told, stderr=subprocess.DEVNULL)
    try:
        words = [heard.recv(100) for _ in range(12)]
        assert (words[0], set(words[1:])) == (b"READY=1", {b"WATCHDOG=1"})
        assert agent.poll() is None
    finally:
        agent.kill()
        agent.wait()
        heard.close()
