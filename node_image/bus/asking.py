"""The signer's questions to its witnesses, and their answers: until it is sure, then now and then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence
from contextlib import suppress

from nats.errors import Error as NatsError

from node_image.bus.ways import Way
from node_image.protocol import witness
from node_image.protocol.errors import NotVerified
from node_image.protocol.facts import DropFacts
from node_image.protocol.hexes import unhex
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient, SignerRefused

SOON_S, LATER_S = 0.25, 5.0  # between questions of a signer that can't sign yet: first, and after many
EVERY_S = 60.0  # of one that can: two clones of it meet within this, and its floor of time stays young
TOGETHER_S = 0.5  # who has answered by then is heard, without those who are slow or cut off

type Answer = tuple[int, bytes]  # how many frames the witness saw, and its envelope


class Witnesses:
    """One grant's. A pause is drawn by chance: a hub that comes back isn't met by all nodes at once."""

    def __init__(self, facts: DropFacts, signer: SignerClient, ways: Sequence[Way]) -> None:
        self._keys = {name: pem.encode() for name, pem in facts.witnesses.items()}
        self._node, self._signer, self._ways = facts.node, signer, ways
        self._wanted = asyncio.Event()
        self._settled = False
        self._said: dict[str, str] = {}

    def ask_now(self) -> None:
        """The signer began anew and knows nothing of its journal, or a witness knows more than it was told."""
        self._settled = False
        self._wanted.set()

    def has_news(self) -> None:
        """The hub may know more of this grant: ask now, where the signer can't sign yet."""
        if not self._settled:
            self._wanted.set()

    async def ask(self) -> None:
        """For ever."""
        pause = SOON_S
        while True:
            self._settled = await self.ask_once()
            pause = EVERY_S if self._settled else min(LATER_S, 2 * pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                pause = SOON_S
            self._wanted.clear()

    async def ask_once(self) -> bool:
        """All at once; whether there is nothing to hurry for: it can sign, or never will."""
        asking = {asyncio.create_task(self._answer(way)) for way in self._ways}
        wanted = asyncio.create_task(self._wanted.wait())
        try:
            soon, late = await asyncio.wait(asking, timeout=TOGETHER_S)
            settled = await self._hear([one.result() for one in soon])
            while late and not wanted.done():  # who is still waited for holds up no new question
                await asyncio.wait({wanted, *late}, return_when=asyncio.FIRST_COMPLETED)
                answered = {one for one in late if one.done()}
                settled = await self._hear([one.result() for one in answered]) or settled
                late -= answered
        finally:
            for one in (wanted, *asking):
                one.cancel()
        return settled

    async def _answer(self, way: Way) -> Answer | None:
        """What one says; None, and why in the log, where he says nothing."""
        try:
            asked = await self._signer.ask("question")
            answer = await way.ask(witness.ask(unhex(asked["grant_id"]), asked["nonce"]))
            if refusal := witness.refusal(answer):
                self._say(way.name, f"refuses ({refusal.code}): {refusal.message}")
                return None
            seen = witness.heard(answer, self._keys).journal_seq
        except (SignerAway, SignerRefused, NatsError, NotVerified, OSError, TimeoutError) as fault:
            self._say(way.name, f"{type(fault).__name__}: {fault}")
            return None
        self._say(way.name, "")
        return seen, answer

    async def _hear(self, answers: Collection[Answer | None]) -> bool:
        """Who saw most comes first: one who missed the last hour lets nothing be signed before another is heard."""
        settled = False
        for _, envelope in sorted((one for one in answers if one), reverse=True):
            try:
                told = await self._signer.ask("witness", envelope=envelope)
            except (SignerAway, SignerRefused) as fault:
                self._say("", f"{type(fault).__name__}: {fault}")
                continue
            settled = bool(told["able"] or told["final"])
        return settled

    def _say(self, name: str, reason: str) -> None:
        """Once, however often it is so."""
        if reason and reason != self._said.get(name):
            log("no word of a witness", level="warning", node=self._node, witness=name, reason=reason)
        self._said[name] = reason
