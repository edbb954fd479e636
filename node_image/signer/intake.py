"""Claims on their way to the decision: who waits, and the wallets' signatures, checked ahead by a helper process.

A check is most of a claim's cost and needs nothing but the claim, so it is made while the batch before is synced and
signed. What the rules refuse anyway is never checked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import batched

from node_image.protocol import rules
from node_image.protocol.facts import DropFacts
from node_image.protocol.reserve import ReserveVoucher
from node_image.protocol.rules import Claim
from node_image.protocol.voucher import Voucher
from node_image.signer.recovery import Helper

MAX_WAITING = 4096
CHUNK = 64  # checks that the helper is given at a time
AT_ONCE = 4  # so few are checked where they are: handing them over would take longer


class Refused(Exception):
    """The answer is no; `code` is one of the socket's error codes. `retry_after_s` is set where that is known."""

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code, self.retry_after_s = code, retry_after_s


type Told = Voucher | ReserveVoucher | Refused
type Tell = Callable[[Told, bool], None]


class Waiting:
    """One claim and who is to be told; `wrong` as `rules.not_the_wallets` says it, None before it was asked."""

    __slots__ = ("_tell", "claim", "wrong")

    def __init__(self, claim: Claim, tell: Tell) -> None:
        self.claim = claim
        self.wrong: str | None = None
        self._tell: Tell | None = tell

    def answer(self, told: Told, *, new: bool = False) -> None:
        """Tell it, once."""
        if self._tell is not None:
            self._tell(told, new)
            self._tell = None


class Intake:
    """First come, first served, in groups."""

    def __init__(self, facts: DropFacts, separator: bytes, wanted: Callable[[Claim], bool]) -> None:
        """`wanted` says whether a claim's signature will be looked at at all."""
        self._drop, self._separator, self._wanted = facts.drop, separator, wanted
        self._arrived: list[Waiting] = []
        self._ready: deque[Waiting] = deque()
        self._some = asyncio.Event()
        self._inside = 0
        self._helper = Helper(facts.drop, separator)
        self._checking: set[asyncio.Task[None]] = set()

    def warm(self) -> None:
        """Have the helper there before the crowd is."""
        _ = self._helper.ready

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
        if len(asked) <= AT_ONCE or not self._helper.ready:
            self._check(asked)
            self._done(arrived)
            return
        left = set(map(id, asked))
        self._done([waiting for waiting in arrived if id(waiting) not in left])
        for chunk in batched(asked, CHUNK, strict=False):
            task = asyncio.get_running_loop().create_task(self._have_checked(chunk))
            self._checking.add(task)
            task.add_done_callback(self._checking.discard)

    async def _have_checked(self, chunk: Sequence[Waiting]) -> None:
        """By the helper; where it died over them, the decision asks by itself."""
        found = await self._helper.check([waiting.claim for waiting in chunk])
        for waiting, wrong in zip(chunk, found or (), strict=found is not None):
            waiting.wrong = wrong
        self._done(chunk)

    def _check(self, chunk: Sequence[Waiting]) -> None:
        for waiting in chunk:
            waiting.wrong = rules.not_the_wallets(self._drop, self._separator, waiting.claim)

    def _done(self, chunk: Sequence[Waiting]) -> None:
        if chunk:
            self._ready.extend(chunk)
            self._some.set()
