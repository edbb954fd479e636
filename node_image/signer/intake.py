"""Claims on their way to the decision: who waits, and the wallets' signatures, recovered ahead on other threads.

A recovery is most of a claim's cost and needs nothing but the claim, so it is made while the batch before is synced and
signed. What the rules refuse anyway is never recovered.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from node_image.protocol import rules
from node_image.protocol.facts import DropFacts
from node_image.protocol.rules import Claim
from node_image.protocol.voucher import Voucher

MAX_WAITING = 4096
CHUNK = 32  # recoveries a thread is given at a time
AT_ONCE = 4  # so few are recovered where they are: handing them over would take longer


class Refused(Exception):
    """The answer is no; `code` is one of the socket's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Waiting:
    """One claim and who is to be told; `wrong` as `rules.not_the_wallets` says it, None before it was asked."""

    __slots__ = ("_tell", "claim", "wrong")

    def __init__(self, claim: Claim, tell: Callable[[Voucher | Refused, bool], None]) -> None:
        self.claim = claim
        self.wrong: str | None = None
        self._tell: Callable[[Voucher | Refused, bool], None] | None = tell

    def answer(self, told: Voucher | Refused, *, new: bool = False) -> None:
        """Tell it, once."""
        if self._tell is not None:
            self._tell(told, new)
            self._tell = None


class Intake:
    """First come, first served, in groups."""

    def __init__(self, facts: DropFacts, separator: bytes, wanted: Callable[[Claim], bool]) -> None:
        """`wanted` says whether a claim's signature will be looked at at all."""
        self._facts, self._separator, self._wanted = facts, separator, wanted
        self._arrived: list[Waiting] = []
        self._ready: deque[Waiting] = deque()
        self._some = asyncio.Event()
        self._inside = 0
        self._threads = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), "wallets")

    def put(self, waiting: Waiting) -> None:
        """One more; Refused when too many wait already."""
        if self._inside >= MAX_WAITING:
            raise Refused("stopped", f"{MAX_WAITING} claims are waiting already")
        self._inside += 1
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self._spread)  # with all that came in the same moment
        self._arrived.append(waiting)

    async def take(self, most: int) -> list[Waiting]:
        """What is ready, at least one."""
        await self._some.wait()
        group = [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
        if not self._ready:
            self._some.clear()
        self._inside -= len(group)
        return group

    def _spread(self) -> None:
        arrived, self._arrived = self._arrived, []
        asked = [waiting for waiting in arrived if self._wanted(waiting.claim)]
        if len(asked) <= AT_ONCE:
            self._recover(asked)
            self._done(arrived)
            return
        left = set(map(id, asked))
        self._done([waiting for waiting in arrived if id(waiting) not in left])
        loop = asyncio.get_running_loop()
        for begin in range(0, len(asked), CHUNK):
            chunk = asked[begin : begin + CHUNK]
            self._threads.submit(self._recover, chunk).add_done_callback(
                partial(loop.call_soon_threadsafe, self._done, chunk)
            )

    def _recover(self, chunk: list[Waiting]) -> None:
        for waiting in chunk:
            waiting.wrong = rules.not_the_wallets(self._facts, self._separator, waiting.claim)

    def _done(self, chunk: list[Waiting], _work: object = None) -> None:
        if chunk:
            self._ready.extend(chunk)
            self._some.set()
