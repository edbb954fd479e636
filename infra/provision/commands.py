"""A box's agent, asked and told over the hub's bus; what is believed of its answers is what it says of itself alone."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from infra import keys
from infra.errors import NotVerified, Unreachable
from infra.hub_bus import connected
from node_image.protocol import command
from node_image.protocol.command import Action, Command
from node_image.recovery.answer import Answer, Reply, digest

if TYPE_CHECKING:
    from nats.aio.client import Client

CONNECT_S = 3
ASK_S = 6.0  # a box begins a process for it, maybe on a slow processor
REPEAT_S = 1.0
DONE_S = 120.0  # a restart may take as long as the engine needs
AGAIN_S = (
    2.0  # between questions after a command whose answer was lost: with the bus, it may have restarted its own way
)
ISSUED_BEFORE_S = 60  # so much may this machine's clock be ahead of a box's
LIVE_S = 300
AHEAD_MS = 24 * 3600 * 1000


class BusAway(Unreachable):
    """The hub's bus itself does not answer; nothing is known of the agent."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A node's agent; `bus` is `host:port` of the hub's, `ask_s` how long a question may take there and back."""

    bus: str
    stack: str
    node: str
    ask_s: float = ASK_S


def ask(wire: Wire, seconds: float | None = None) -> Answer:
    """How the box stands; Unreachable where the agent says nothing, BusAway where the bus doesn't."""
    return _run(wire, lambda client: _asked(wire, client, seconds or wire.ask_s))


def tell(wire: Wire, action: Action, seconds: float = DONE_S) -> Answer:
    """Do it now: asked first, so that the box needs no clock. The answer is its own, or what it says afterwards."""
    return _run(wire, lambda client: _told(wire, client, action, seconds))


def leave(wire: Wire, action: Action, hold_s: int) -> int:
    """For a box that is away: it does it when it is back within that time, where it knows the time; the sequence."""
    made = _command(wire, action, 0, hold_s, "")
    _run(wire, lambda client: _left(wire, client, _signed(made)))
    return made.sequence


def next_sequence(newest: int, now_ms: int) -> int:
    """The time in ms, and above what the box took; NotVerified where that lies so far ahead that it would be spent."""
    if newest > now_ms + AHEAD_MS:
        raise NotVerified(
            f"its newest command is numbered {newest}, which is a time to come",
            "a clock was wrong, or its answers are forged: go by SSH",
        )
    return max(now_ms, newest + 1)


def _command(wire: Wire, action: Action, newest: int, hold_s: int, nonce: str) -> Command:
    now_ms = time.time_ns() // 1_000_000
    now = now_ms // 1000
    sequence = next_sequence(newest, now_ms)
    return Command(1, wire.stack, wire.node, sequence, now - ISSUED_BEFORE_S, now + hold_s, action, nonce)


def _signed(made: Command) -> bytes:
    """By the responder, but for what the owner alone commands."""
    return command.sign(made, keys.owner_pem() if isinstance(made.action, command.OWNERS) else keys.responder_pem())


async def _asked(wire: Wire, client: Client, seconds: float) -> Answer:
    asked, deadline = secrets.token_bytes(16), time.monotonic() + seconds
    async with _replies(wire, client) as answers:
        while time.monotonic() < deadline:  # nobody keeps a question for an agent or a leaf that is just coming up
            await client.publish(command.ask_subject(wire.stack, wire.node), asked)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(REPEAT_S, seconds)):
                    return await _of(answers, asked)
    raise Unreachable(f"{wire.node}'s agent says nothing on the bus for {seconds:.0f} s", "type: edgedrop recover")


async def _told(wire: Wire, client: Client, action: Action, seconds: float) -> Answer:
    stands = await _asked(wire, client, wire.ask_s)
    newest = stands.newest.sequence if stands.newest else 0
    made = _command(wire, action, newest, LIVE_S, stands.nonce)
    envelope = _signed(made)
    async with _replies(wire, client) as answers:
        await client.publish(command.subject(wire.stack, wire.node), envelope)
        deadline, ended = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    return await _of(answers, envelope)
            if ended is not None:
                return ended  # and its answer is lost
            with suppress(Unreachable):
                now = await _asked(wire, client, wire.ask_s)
                if now.newest and now.newest.sequence == made.sequence and not now.running:
                    ended = now
    raise Unreachable(f"{wire.node} was told, and does not say what came of it", "type: edgedrop recover")


async def _left(wire: Wire, client: Client, envelope: bytes) -> None:
    await client.jetstream().publish(command.subject(wire.stack, wire.node), envelope, timeout=CONNECT_S)


@asynccontextmanager
async def _replies(wire: Wire, client: Client) -> AsyncIterator[Callable[[], Awaitable[Reply]]]:
    """The next reply of the node, whatever it answers."""
    heard = await client.subscribe(command.reply_subject(wire.stack, wire.node))
    await client.flush()

    async def one() -> Reply:
        return msgspec.json.decode((await heard.next_msg(timeout=None)).data, type=Reply)

    try:
        yield one
    finally:
        await heard.unsubscribe()


async def _of(answers: Callable[[], Awaitable[Reply]], asked: bytes) -> Answer:
    """The answer to this; what answers somebody else, or nothing that we know, is passed over."""
    while True:
        try:
            reply = await answers()
        except msgspec.DecodeError:
            continue
        if reply.of == digest(asked):
            if reply.answer is None:
                raise Unreachable(f"its agent lives, and its door says nothing: {reply.fault}", "go by SSH")
            return reply.answer


def _run[T](wire: Wire, work: Callable[[Client], Awaitable[T]]) -> T:
    from nats.errors import Error  # noqa: PLC0415

    try:
        return asyncio.run(_connected(wire, work))
    except (OSError, TimeoutError, Error) as fault:
        raise BusAway(f"the hub's bus at {wire.bus}: {fault!r}", "edgedrop recover goes on without it") from fault


async def _connected[T](wire: Wire, work: Callable[[Client], Awaitable[T]]) -> T:
    async with connected(wire.bus, CONNECT_S) as client:
        return await work(client)
