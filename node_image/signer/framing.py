"""Messages on the signer's socket: 4 bytes of length, big-endian, then a MessagePack map (docs/architecture.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec

MAX_REQUEST = 1 << 20
HEAD = 4


class Unframed(ValueError):
    """A length that no message has."""


def framed(body: bytes) -> bytes:
    """One message."""
    return len(body).to_bytes(HEAD, "big") + body


def messages(data: bytearray) -> Iterator[bytes]:
    """Each whole message at the beginning of `data`; what was given out is taken from it in the end."""
    used = 0
    try:
        while len(data) - used >= HEAD:
            end = used + HEAD + int.from_bytes(data[used : used + HEAD], "big")
            if end - used > MAX_REQUEST + HEAD:
                raise Unframed(f"a message of {end - used - HEAD} bytes")
            if end > len(data):
                return
            yield bytes(data[used + HEAD : end])
            used = end
    finally:
        del data[:used]


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
