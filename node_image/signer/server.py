"""The signer's socket: length-prefixed MessagePack, many requests at once on one connection (docs/architecture.md).

All that a read brings is taken at once, and all that a batch answers goes out in one write: no task a claim.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec

from node_image.protocol import closeout, lease
from node_image.protocol.eip712 import ZERO_ADDRESS
from node_image.protocol.errors import ProtocolError
from node_image.protocol.reserve import ReserveVoucher
from node_image.protocol.rules import Claim
from node_image.protocol.voucher import Voucher
from node_image.signer.core import Refused, Signer
from node_image.signer.framing import Unframed, framed, messages
from node_image.signer.giving_up import NodeKeys
from node_image.signer.intake import Told
from node_image.signer.status import status

MAX_FRAMES = 256
NEWS_S = 2.0  # who asks for news waits for no longer; a client gives up after five


class Ask(msgspec.Struct, frozen=True, gc=False):
    """Any request; what an operation needs and does not find is its refusal."""

    id: int
    op: str
    claim_id: str | None = None
    tier: int | None = None
    to: bytes | None = None
    slot: int | None = None
    signature: bytes | None = None
    claim_key: bytes = ZERO_ADDRESS
    receiver: bytes | None = None
    envelope: bytes | None = None
    after: int | None = None


class Answered(msgspec.Struct, frozen=True, gc=False):
    """What `claim` answers."""

    voucher: Voucher
    new: bool


class Reserved(msgspec.Struct, frozen=True, gc=False):
    """What `claim` and `find` answer where the claim can't be signed now."""

    reserve: ReserveVoucher
    new: bool


class Good(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request."""

    id: int
    ok: Any


class Bad(msgspec.Struct, frozen=True, gc=False):
    """A no, with its code and words."""

    id: int | None  # None where the request had none
    error: dict[str, str | float]


def bad(number: int | None, code: str, message: str) -> Bad:
    """A no."""
    return Bad(number, {"code": code, "message": message})


def refused(number: int, refusal: Refused) -> Bad:
    """A no of the signer's, with the time to come back where that is known."""
    told: dict[str, str | float] = {"code": refusal.code, "message": str(refusal)}
    return Bad(number, told if refusal.retry_after_s is None else told | {"retry_after_s": refusal.retry_after_s})


class SocketServer:
    """Answers for one signer; `keys` are its node's, where it may be told to give them up."""

    def __init__(self, signer: Signer, keys: NodeKeys | None = None) -> None:
        self.signer, self._keys = signer, keys
        self.operations: dict[str, Callable[[Ask], Awaitable[object]]] = {
            "status": self._status,
            "lease": self._lease,
            "find": self._find,
            "receive": self._receive,
            "close": self._close,
            "question": self._question,
            "witness": self._witness,
            "newest": self._newest,
            "give_up": self._give_up,
        }

    async def serve(self, path: Path) -> asyncio.Server:
        """Listen; a socket file that a dead process left is taken over."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240  once, before anyone is served
        return await asyncio.get_running_loop().create_unix_server(lambda: Line(self), str(path))

    async def _status(self, _ask: Ask) -> object:
        return status(self.signer)

    async def _lease(self, ask: Ask) -> object:
        envelope = given(ask.envelope, "envelope")
        document = lease.verify(envelope, self.signer.facts.owner_public_key.encode())
        await self.signer.take_lease(document, envelope)
        return {"accepted": True}

    async def _close(self, ask: Ask) -> object:
        command = closeout.verify(given(ask.envelope, "envelope"), self.signer.facts.owner_public_key.encode())
        high_seqs, signature = await self.signer.close(command)
        return {"high_seqs": high_seqs, "signature": signature}

    async def _give_up(self, ask: Ask) -> object:
        if self._keys is None:
            raise Refused("bad_command", "the hub's signer gives no keys up")
        return {"keys": await self._keys.give_up(given(ask.envelope, "envelope"))}

    async def _question(self, _ask: Ask) -> object:
        return {"grant_id": self.signer.facts.grant_id, "nonce": self.signer.question()}

    async def _witness(self, ask: Ask) -> object:
        await self.signer.hear(given(ask.envelope, "envelope"))
        standing = self.signer.standing()
        return {"fresh": standing.fresh, "able": not standing.unable, "final": standing.verdict.final}

    async def _find(self, ask: Ask) -> object:
        claim_id = given(ask.claim_id, "claim_id")
        held = await self.signer.find_reserved(claim_id)
        return self.signer.find(claim_id) if held is None else Reserved(held, new=False)

    async def _newest(self, ask: Ask) -> object:
        """At once where more than `after` frames may be told of, else when there are, or as it is after a while."""
        signer, after = self.signer, ask.after or 0
        with suppress(TimeoutError):
            async with asyncio.timeout(NEWS_S), signer.grew:
                await signer.grew.wait_for(lambda: signer.shippable > after)
        return signer.newest

    async def _receive(self, ask: Ask) -> object:
        receiver = given(ask.receiver, "receiver")
        await self.signer.receive(given(ask.claim_id, "claim_id"), receiver, given(ask.signature, "signature"))
        return {"receiver": receiver}


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: SocketServer) -> None:
        self._server = server
        self._decode = msgspec.msgpack.Decoder(Ask).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._data = bytearray()
        self._out: list[bytes] = []
        self._own: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._room.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods alone

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        """It is gone, and what it asked for besides claims with it."""
        for task in self._own:
            task.cancel()

    def pause_writing(self) -> None:
        """The peer does not take its answers: it is not read from until it does."""
        self._room.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._room.set()
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """All whole requests in it; a peer that breaks the framing is hung up on; it asks again."""
        self._data += data
        try:
            for message in messages(self._data):
                self._take(message)
        except (Unframed, msgspec.DecodeError):
            self._transport.abort()

    def _take(self, message: bytes) -> None:
        try:
            ask = self._decode(message)
        except msgspec.ValidationError as fault:
            told = msgspec.msgpack.decode(message, type=dict)
            self._say(bad(told.get("id"), "bad_claim", f"not understood: {fault}"))
            return
        if ask.op == "claim":
            self._claim(ask)
        elif ask.op == "tail":
            self._start(self._tail(ask))
        else:
            self._start(self._answer(ask))

    def _claim(self, ask: Ask) -> None:
        try:
            claim = Claim(
                given(ask.claim_id, "claim_id"),
                given(ask.tier, "tier"),
                given(ask.to, "to"),
                given(ask.slot, "slot"),
                given(ask.signature, "signature"),
                ask.claim_key,
            )
        except ValueError as fault:
            self._say(bad(ask.id, "bad_claim", f"not understood: {fault}"))
            return
        self._server.signer.submit(claim, partial(self._told, ask.id))

    def _told(self, number: int, told: Told, new: bool) -> None:
        if isinstance(told, Refused):
            self._say(refused(number, told))
        elif isinstance(told, ReserveVoucher):
            self._say(Good(number, Reserved(told, new)))
        else:
            self._say(Good(number, Answered(told, new)))

    def _say(self, answer: Good | Bad) -> None:
        """With all else that is answered in the same moment."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(framed(self._encode(answer)))

    def _flush(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._own.add(task)
        task.add_done_callback(self._own.discard)

    async def _answer(self, ask: Ask) -> None:
        operation = self._server.operations.get(ask.op)
        if operation is None:
            self._say(bad(ask.id, "bad_claim", "there is no such operation"))
            return
        try:
            self._say(Good(ask.id, await operation(ask)))
        except Refused as refusal:
            self._say(refused(ask.id, refusal))
        except (ValueError, ProtocolError) as fault:
            self._say(bad(ask.id, "bad_claim", f"not understood: {fault}"))

    async def _tail(self, ask: Ask) -> None:
        """Durable frames from `after` on, for ever, once a witness vouched for them; a slow reader is waited for."""
        signer, after = self._server.signer, ask.after or 0
        while True:
            async with signer.grew:
                while signer.shippable <= after:
                    await signer.grew.wait()
            found = signer.tail(after, MAX_FRAMES)
            last = after + len(found) - 1
            self._say(Good(ask.id, {"frames": found, "first_seq": after, "last_seq": last}))
            await asyncio.sleep(0)  # it is written now, and the peer may be full
            await self._room.wait()
            after = last + 1


def given[T](value: T | None, name: str) -> T:
    """What the operation needs."""
    if value is None:
        raise ValueError(f"{name} is missing")
    return value
