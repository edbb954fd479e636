"""Messages on the signer's socket: 4 bytes of length, big-endian, then a MessagePack map (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Iterator

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
