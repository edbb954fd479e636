"""The ways from a node to those who may vouch for its journal: the hub over the bus, a witness at the site over TLS."""

from __future__ import annotations

import ssl
from typing import Any, Protocol

from nats.aio.client import Client

from node_image.peers import PeerClient
from node_image.protocol import witness
from node_image.protocol.facts import DropFacts
from node_image.protocol.witness import Mark
from node_image.signer.client import SignerAway

ANSWER_S = 5.0  # the signer takes none that is older than ten


class Way(Protocol):
    """To one witness."""

    name: str

    async def ask(self, question: bytes) -> bytes:
        """Its answer, as protocol/witness.py has it; NatsError, SignerAway, SignerRefused, OSError or TimeoutError."""
        ...


class HubWay:
    """To the hub's ledger."""

    name = witness.HUB

    def __init__(self, facts: DropFacts, client: Client) -> None:
        self._subject, self._client = witness.subject(facts.drop, facts.node), client

    async def ask(self, question: bytes) -> bytes:
        """Request and reply."""
        answer: bytes = (await self._client.request(self._subject, question, timeout=ANSWER_S)).data
        return answer


class SiteWay:
    """To the front's witness or a peer, on one connection that is made anew after no answer."""

    def __init__(self, name: str, place: str, epoch: int, context: ssl.SSLContext) -> None:
        host, _, port = place.rpartition(":")
        self.name, self._epoch = name, epoch
        self._client = PeerClient(host, int(port), context)

    async def ask(self, question: bytes) -> bytes:
        """As the hub is asked."""
        return bytes((await self._request("ask", question=question))["answer"])

    async def tell(self, mark: Mark) -> bool:
        """How far this node's journal goes; False where the witness knows more, or another history."""
        return bool((await self._request("tell", epoch=self._epoch, mark=mark))["kept"])

    async def _request(self, op: str, **fields: object) -> dict[str, Any]:
        try:
            return await self._client.ask(op, **fields)
        except SignerAway:
            self._client.hang_up()
            raise


def site_ways(facts: DropFacts, context: ssl.SSLContext | None) -> tuple[SiteWay, ...]:
    """To all at the site; none where this node has no certificate to show them."""
    if context is None:
        return ()
    return tuple(SiteWay(name, place, facts.epoch, context) for name, place in facts.witness_places.items())
