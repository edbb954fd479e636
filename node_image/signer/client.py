"""The signer's socket from the other side: one connection, requests pipelined, made anew when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from node_image.protocol.errors import ProtocolError
from node_image.protocol.facts import parse
from node_image.protocol.lease import FIRST_EPOCH
from node_image.signer.framing import HEAD, MAX_REQUEST, Unframed, framed

ANSWER_S = 5.0


class SignerAway(Exception):
    """The signer's socket doesn't answer."""


class SignerRefused(Exception):
    """The signer's answer is no; `code` as in docs/architecture.md."""

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code, self.retry_after_s = code, retry_after_s


class SignerClient:
    """Shared by all requests of a process."""

    def __init__(self, path: Path, answer_s: float = ANSWER_S) -> None:
        self._path, self._answer_s = path, answer_s
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """One request and its answer; SignerRefused or SignerAway."""
        writer = await self._connected()
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            await write_message(writer, {"id": number, "op": op, **fields})
            told = await asyncio.wait_for(answer, self._answer_s)
        except (OSError, TimeoutError) as fault:
            raise SignerAway("the signer does not answer") from fault
        finally:
            self._open.pop(number, None)
        if "error" in told:
            error = told["error"]
            raise SignerRefused(error["code"], error["message"], error.get("retry_after_s"))
        return dict(told["ok"])

    def hang_up(self) -> None:
        """The next request dials anew: a way that was cut without a word may stay silent for minutes."""
        if self._writer is not None:
            self._writer.close()

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                reader, self._writer = await self._dial()
                self._reading = asyncio.create_task(self._read(reader, self._writer))
            return self._writer

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(self._path)
        except OSError as fault:
            raise SignerAway("the signer's socket is not there") from fault

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (told := await read_message(reader)) is not None:
                waiting = self._open.get(int(told["id"]))
                if waiting and not waiting.done():
                    waiting.set_result(told)
        writer.close()
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError())


def socket_of(base: Path, epoch: int) -> Path:
    """Each grant of a node has its signer's socket; the first epoch's is `base` itself."""
    return base if epoch == FIRST_EPOCH else base.with_name(f"{base.stem}.{epoch}{base.suffix}")


def socket_of_grant(base: Path, drop_dir: Path, grant_id: str) -> Path:
    """Of the grants that the node was told of in `drop_dir`; ProtocolError for another one."""
    facts = parse((drop_dir / "drop.json").read_bytes())
    epoch = next((one.epoch for one in facts.each() if one.grant_id == grant_id), None)
    if epoch is None:
        raise ProtocolError(f"{facts.node} was told of no grant {grant_id}")
    return socket_of(base, epoch)


async def tail(path: Path, after: int) -> AsyncIterator[dict[str, Any]]:
    """Durable frames from `after` on, on a connection of their own; ends when the signer hangs up."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as fault:
        raise SignerAway("the signer's socket is not there") from fault
    try:
        await write_message(writer, {"id": 0, "op": "tail", "after": after})
        while (told := await read_message(reader)) is not None:
            yield told["ok"]
    finally:
        writer.close()


async def read_message(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, or None at the end of the connection."""
    try:
        length = int.from_bytes(await reader.readexactly(HEAD), "big")
        if length > MAX_REQUEST:
            raise Unframed(f"a message of {length} bytes")
        found: dict[str, Any] = msgspec.msgpack.decode(await reader.readexactly(length), type=dict)
    except asyncio.IncompleteReadError:
        return None
    return found


async def write_message(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    """One message, and wait until the peer keeps up."""
    writer.write(framed(msgspec.msgpack.encode(message)))
    await writer.drain()
