"""The signer's socket: length-prefixed MessagePack, many requests at once on one connection (docs/architecture.md)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from node_image.protocol import lease
from node_image.protocol.errors import ProtocolError
from node_image.protocol.rules import Claim
from node_image.signer.core import Refused, Signer, status

MAX_REQUEST = 1 << 20
MAX_FRAMES = 256


class SocketServer:
    """Answers for one signer; each request is a task, answers go out as they come."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._operations: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "lease": self._lease,
            "claim": self._claim,
            "find": self._find,
        }

    async def serve(self, path: Path) -> asyncio.Server:
        """Listen; a socket file that a dead process left is taken over."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240  once, before anyone is served
        return await asyncio.start_unix_server(self._connection, path)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own: set[asyncio.Task[None]] = set()
        try:
            while (request := await read_message(reader)) is not None:
                task = asyncio.create_task(self._handle(request, writer))
                own.add(task)
                task.add_done_callback(own.discard)
        except (OSError, ValueError, msgspec.MsgspecError):
            pass  # a peer that breaks the framing is hung up on; it asks again
        finally:
            for task in own:
                task.cancel()
            writer.close()

    async def _handle(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        number = request.get("id")
        with contextlib.suppress(ConnectionError):
            if request.get("op") == "tail":
                await self._tail(number, int(request["after"]), writer)
                return
            await write_message(writer, {"id": number, **await self._answer(request)})

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = self._operations.get(str(request.get("op")))
        if operation is None:
            return {"error": {"code": "bad_claim", "message": "there is no such operation"}}
        try:
            return {"ok": await operation(request)}
        except Refused as refusal:
            return {"error": {"code": refusal.code, "message": str(refusal)}}
        except (KeyError, TypeError, ValueError, ProtocolError) as fault:
            return {"error": {"code": "bad_claim", "message": f"not understood: {fault}"}}

    async def _status(self, _request: dict[str, Any]) -> dict[str, Any]:
        return dict(status(self._signer))

    async def _lease(self, request: dict[str, Any]) -> dict[str, Any]:
        document = lease.verify(request["envelope"], self._signer.facts.owner_public_key.encode())
        await self._signer.take_lease(document, request["envelope"])
        return {"accepted": True}

    async def _claim(self, request: dict[str, Any]) -> dict[str, Any]:
        claim = Claim(request["claim_id"], request["tier"], request["to"], request["slot"], request["signature"])
        voucher, new = await self._signer.claim(claim)
        return {"voucher": msgspec.to_builtins(voucher), "new": new}

    async def _find(self, request: dict[str, Any]) -> dict[str, Any]:
        return dict(msgspec.to_builtins(self._signer.find(request["claim_id"])))

    async def _tail(self, number: object, after: int, writer: asyncio.StreamWriter) -> None:
        """Durable frames from `after` on, for ever; a slow reader is waited for (drain)."""
        signer = self._signer
        while True:
            async with signer.grew:
                while signer.durable <= after:
                    await signer.grew.wait()
            upto = min(signer.durable, after + MAX_FRAMES)
            frames = [frame.raw for frame in signer.frames[after:upto]]
            await write_message(
                writer, {"id": number, "ok": {"frames": frames, "first_seq": after, "last_seq": upto - 1}}
            )
            after = upto


async def read_message(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, or None at the end of the connection."""
    try:
        length = int.from_bytes(await reader.readexactly(4), "big")
        if length > MAX_REQUEST:
            raise ValueError(f"a message of {length} bytes")
        found: dict[str, Any] = msgspec.msgpack.decode(await reader.readexactly(length), type=dict)
    except asyncio.IncompleteReadError:
        return None
    return found


async def write_message(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    """One message, and wait until the peer keeps up."""
    body = msgspec.msgpack.encode(message)
    writer.write(len(body).to_bytes(4, "big") + body)
    await writer.drain()
