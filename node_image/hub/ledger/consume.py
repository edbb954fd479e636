"""From the bus to the tables: one durable consumer a grant, so that a fault stops that grant alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from node_image.hub.ledger import strays, write
from node_image.hub.ledger.follow import Follower, Gap, Grant
from node_image.protocol import trail
from node_image.protocol.announcement import verify_drop, verify_grant
from node_image.protocol.errors import ProtocolError
from node_image.protocol.frames import Signed
from node_image.service import log

FETCH_S = 2.0
ANSWER_BY_S = 30
AGAIN_S = 1.0
MAX_OPEN = 64
GRANT_PARTS = 4  # drop.<drop>.grant.<node>


async def follow_all(stream: JetStreamContext, engine: Engine, owner: bytes) -> None:
    """Read announcements for ever; each grant they bring gets a task."""
    tasks: dict[str, asyncio.Task[None]] = {}
    wake = asyncio.Event()
    wake.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(_announcements(stream, engine, owner, wake))
        group.create_task(_audit(stream, engine, owner))
        while True:
            await wake.wait()
            wake.clear()
            for subject, grant in (await _in_thread(engine, write.read_grants)).items():
                if subject not in tasks:
                    tasks[subject] = group.create_task(follow_grant(stream, engine, subject, grant))


async def _announcements(stream: JetStreamContext, engine: Engine, owner: bytes, wake: asyncio.Event) -> None:
    """What the owner did not sign is logged and passed over: it names nothing that could be put in quarantine."""
    async for message in _messages(stream, "DROPS", "drop.>", "ledger-drops"):
        try:
            await _in_thread(engine, partial(_announced, owner, message))
        except ProtocolError as fault:
            log("announcement refused", level="error", subject=message.subject, reason=str(fault))
        except IntegrityError:
            await message.nak(delay=AGAIN_S)  # a grant before its drop
            continue
        await message.ack()
        wake.set()


async def _audit(stream: JetStreamContext, engine: Engine, owner: bytes) -> None:
    """The control side's trail; what the owner did not sign is logged and passed over."""
    async for message in _messages(stream, "AUDIT", trail.SUBJECT, "ledger-audit"):
        try:
            entry = trail.read(message.data, owner)
        except ProtocolError as fault:
            log("audit line refused", level="error", reason=str(fault))
        else:
            await _in_thread(engine, partial(write.write_audit, entry=entry, line=message.data))
        await message.ack()


def _announced(owner: bytes, message: Msg, connection: Connection) -> None:
    if len(message.subject.split(".")) == GRANT_PARTS:
        write.write_grant(connection, verify_grant(message.data, owner))
    else:
        write.write_drop(connection, verify_drop(message.data, owner))


async def follow_grant(stream: JetStreamContext, engine: Engine, subject: str, grant: Grant) -> None:
    """One grant's journal; from the first thing in it that does not verify on, it is only searched for evidence."""
    believed = not await _in_thread(engine, partial(write.in_quarantine, grant=grant))
    follower = await _in_thread(engine, partial(write.read_follower, grant=grant)) if believed else Follower(grant)
    async for message in _messages(stream, "JOURNAL", subject, "ledger-" + subject.replace(".", "-")):
        if believed:
            try:
                await _in_thread(engine, partial(_take, follower, message))
            except Gap:
                await _look(engine, grant, message)
                await message.nak(delay=AGAIN_S)
                continue
            except ProtocolError as fault:
                log("grant in quarantine", level="error", subject=subject, reason=str(fault))
                await _in_thread(engine, partial(_quarantine, grant, message, str(fault)))
                believed = False
        else:
            await _look(engine, grant, message)
        await message.ack()


def _take(follower: Follower, message: Msg, connection: Connection) -> None:
    first = int((message.headers or {}).get("Edgedrop-First", "-1"))
    if first < 0:
        raise ProtocolError("the message does not say where it begins")
    new = follower.take(first, message.data)
    write.write_frames(connection, follower, new)
    if strays.any_of(connection, follower.grant):
        numbers = {frame.told.batch_seq for frame in new if isinstance(frame.told, Signed)}
        _twice(follower.grant, strays.compare(connection, follower.grant, numbers))
        strays.forget(connection, follower.grant, numbers)


def _quarantine(grant: Grant, message: Msg, reason: str, connection: Connection) -> None:
    """The fault and what is evidence in it, both or neither."""
    place = message.metadata.sequence.stream
    write.write_fault(connection, write.Fault(grant.grant_id, message.subject, place, reason, message.data))
    _twice(grant, strays.watch(connection, grant, message.data))


async def _look(engine: Engine, grant: Grant, message: Msg) -> None:
    """Evidence in a message that is not believed, or not yet."""
    _twice(grant, await _in_thread(engine, partial(strays.watch, grant=grant, data=message.data)))


def _twice(grant: Grant, numbers: list[int]) -> None:
    for number in numbers:
        log("a batch signed twice", level="error", drop=grant.drop, grant_id="0x" + grant.grant_id.hex(), batch=number)


async def _messages(stream: JetStreamContext, name: str, subject: str, durable: str) -> AsyncIterator[Msg]:
    """A durable consumer's messages one by one, for ever, in order but for those that were sent back."""
    config = ConsumerConfig(
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=ANSWER_BY_S,
        max_ack_pending=MAX_OPEN,
    )
    consumer = await stream.pull_subscribe(subject, durable=durable, stream=name, config=config)
    while True:
        try:
            batch = await consumer.fetch(MAX_OPEN, timeout=FETCH_S)
        except TimeoutError:  # nats-py raises its own, a subclass, or the plain one
            continue
        for message in batch:
            yield message


async def _in_thread[T](engine: Engine, work: Callable[[Connection], T]) -> T:
    """One transaction, off the event loop."""

    def run() -> T:
        with engine.begin() as connection:
            return work(connection)

    return await asyncio.to_thread(run)
