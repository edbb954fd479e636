"""The helper process (checker.py) from the signer's side: it starts with the signer, and again when it dies.

Where it is not there, the signer checks by itself: the same, and slower.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence

import msgspec

from node_image.protocol.rules import Claim
from node_image.signer.checker import READ, Done, Work
from node_image.signer.framing import HEAD, framed, messages


class Helper:
    """The process from the signer's side."""

    def __init__(self, drop: str, separator: bytes) -> None:
        self._drop, self._separator = drop, separator
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._open: dict[int, asyncio.Future[list[str]]] = {}
        self._number = 0

    @property
    def ready(self) -> bool:
        """Whether it takes work; asking starts it where it is not there."""
        if self._process is None and (self._starting is None or self._starting.done()):
            self._starting = asyncio.get_running_loop().create_task(self._run())
        return self._process is not None

    async def check(self, claims: Sequence[Claim]) -> list[str] | None:
        """What is wrong with each, or nothing; None when the process died over it."""
        if self._process is None or self._process.stdin is None:
            return None
        self._number += 1
        told: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._open[self._number] = told
        fields = [(one.claim_id, one.tier, one.to, one.slot, one.signature, one.claim_key) for one in claims]
        work = Work(self._number, self._drop, self._separator, fields)
        self._process.stdin.write(framed(msgspec.msgpack.encode(work)))
        with contextlib.suppress(asyncio.CancelledError):
            wrong = await told
            return wrong if len(wrong) == len(claims) else None
        return None

    async def _run(self) -> None:
        """Until it dies: then nobody waits for it any longer."""
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "node_image.signer.checker")
        with contextlib.suppress(OSError):
            process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
            if process.stdout is not None and await process.stdout.read(HEAD) == bytes(HEAD):
                self._process = process
                await self._read(process.stdout)
        self._process = None
        for told in self._open.values():
            told.cancel()
        self._open.clear()

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        data, decode = bytearray(), msgspec.msgpack.Decoder(Done).decode
        while more := await stdout.read(READ):
            data += more
            for message in messages(data):
                done = decode(message)
                told = self._open.pop(done.number, None)
                if told and not told.done():
                    told.set_result(done.wrong)
