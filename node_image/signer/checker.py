"""Claims' signatures checked in a process of its own, beside the signer's: `python -m node_image.signer.checker`.

A check is 50 us of arithmetic and some Python; threads, under one interpreter lock, made the whole slower. It knows no
key and no journal, and imports as little as it can: its memory is the node's.
"""

from __future__ import annotations

import contextlib
import os

import msgspec

from node_image.protocol.claim import Claim, not_the_wallets
from node_image.signer.framing import HEAD, framed, messages

READ = 1 << 18


class Work(msgspec.Struct, array_like=True, gc=False):
    """Claims to be checked, with what they are checked against."""

    number: int
    drop: str
    separator: bytes
    claims: list[tuple[str, int, bytes, int, bytes, bytes]]


class Done(msgspec.Struct, array_like=True, gc=False):
    """What `not_the_wallets` says of each, in the order they came in."""

    number: int
    wrong: list[str]


def main() -> None:
    """Check what comes until the signer closes its end; four bytes of zero say that it may begin."""
    with contextlib.suppress(BrokenPipeError):
        _serve()


def _serve() -> None:
    decode, encode = msgspec.msgpack.Decoder(Work).decode, msgspec.msgpack.Encoder().encode
    os.write(1, bytes(HEAD))
    data = bytearray()
    while more := os.read(0, READ):
        data += more
        for message in messages(data):
            work = decode(message)
            wrong = [not_the_wallets(work.drop, work.separator, Claim(*fields)) for fields in work.claims]
            answer = memoryview(framed(encode(Done(work.number, wrong))))
            while answer:
                answer = answer[os.write(1, answer) :]


if __name__ == "__main__":
    main()
