"""The newest mark of a journal to the witnesses at the site: off the answer's path, and of many the latest alone.

A witness that is away holds up no other; when it is back it is told what is newest then.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from node_image.bus.ways import SiteWay
from node_image.protocol.journal import NO_HEAD
from node_image.protocol.witness import Mark
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient, SignerRefused

PACE_S = 0.05  # between marks: each costs a witness a sync
AGAIN_S = 60.0  # a witness that lost its disk is told anew within this
SOON_S, LATER_S = 0.25, 5.0  # after no answer: first, and after many


class Teller:
    """One grant's. `ask` is called where the witnesses are to be asked at once.

    That is when the signer is there anew, and when a witness knows more than it is told, or another history.
    """

    def __init__(self, signer: SignerClient, ways: Sequence[SiteWay], ask: Callable[[], None]) -> None:
        self._signer, self._ways, self._ask = signer, ways, ask
        self._newest = Mark(0, 0, NO_HEAD)
        self._grew = asyncio.Condition()

    async def tell(self) -> None:
        """For ever."""
        if self._ways:
            await asyncio.gather(self._follow(), *(self._tell(way) for way in self._ways))

    async def _follow(self) -> None:
        """What is durable and vouched for; the signer answers when there is more."""
        away = True
        while True:
            after = -1 if away else self._newest.journal_seq  # whether it is there is answered at once
            try:
                told = msgspec.convert(await self._signer.ask("newest", after=after), Mark)
            except (SignerAway, SignerRefused):
                away = True
                await asyncio.sleep(SOON_S)
                continue
            if away:
                self._ask()
            away = False
            if told.journal_seq > self._newest.journal_seq:
                async with self._grew:
                    self._newest = told
                    self._grew.notify_all()
                await asyncio.sleep(PACE_S)

    async def _tell(self, way: SiteWay) -> None:
        known, pause, said = 0, SOON_S, ""
        while True:
            mark = await self._news(known)
            try:
                kept = await way.tell(mark)
            except (SignerAway, SignerRefused) as fault:
                if said != str(fault):
                    said = str(fault)
                    log("a witness is not told", level="warning", witness=way.name, reason=said)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                pause = min(LATER_S, 2 * pause)
                continue
            known, pause, said = mark.journal_seq, SOON_S, ""
            if not kept:
                self._ask()

    async def _news(self, known: int) -> Mark:
        """More than it knows, or after a while the same again; nothing at all is never told."""
        with suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S if known else None), self._grew:
                await self._grew.wait_for(lambda: self._newest.journal_seq > known)
        return self._newest
