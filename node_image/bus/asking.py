"""The signer's questions to its witness over the bus, and the answers: until it is sure, then now and then."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

from nats.aio.client import Client
from nats.errors import Error as NatsError

from node_image.protocol import witness
from node_image.protocol.facts import DropFacts
from node_image.protocol.hexes import unhex
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient, SignerRefused

ANSWER_S = 5.0  # the signer takes none that is older than ten
SOON_S, LATER_S = 0.25, 5.0  # between questions of a signer that can't sign yet: first, and after many
EVERY_S = 60.0  # of one that can: two clones of it meet within this, and its floor of time stays young


class Witnesses:
    """One grant's. A pause is drawn by chance: a hub that comes back isn't met by all nodes at once."""

    def __init__(self, facts: DropFacts, signer: SignerClient, client: Client) -> None:
        self._subject = witness.subject(facts.drop, facts.node)
        self._signer, self._client = signer, client
        self._wanted = asyncio.Event()
        self._settled = False
        self._said = ""

    def began_anew(self) -> None:
        """The signer did, and knows nothing of its journal: ask now."""
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
            self._settled = await self._ask_once()
            pause = EVERY_S if self._settled else min(LATER_S, 2 * pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                pause = SOON_S
            self._wanted.clear()

    async def _ask_once(self) -> bool:
        """Whether there is nothing to hurry for: it can sign, or never will."""
        try:
            asked = await self._signer.ask("question")
            question = witness.ask(unhex(asked["grant_id"]), asked["nonce"])
            answer = (await self._client.request(self._subject, question, timeout=ANSWER_S)).data
            if refusal := witness.refusal(answer):
                self._say(f"the witness refuses ({refusal.code}): {refusal.message}")
                return False
            told = await self._signer.ask("witness", envelope=answer)
        except (SignerAway, SignerRefused, NatsError, OSError, TimeoutError) as fault:
            self._say(f"{type(fault).__name__}: {fault}")
            return False
        self._say("")
        return bool(told["able"] or told["final"])

    def _say(self, reason: str) -> None:
        """Once, however often it is so."""
        if reason and reason != self._said:
            log("no word of a witness", level="warning", subject=self._subject, reason=reason)
        self._said = reason
