"""The cloud signer's face: the signer's own messages over mutual TLS, each peer at its own grant and its own rate."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable

from node_image.hub.cloud_signer.grants import Grants
from node_image.peers import Answer, Peer, error, serve_peers
from node_image.protocol.errors import NotVerified
from node_image.signer.client import SignerAway, SignerRefused
from node_image.signer.keystores.quota import SECOND, Quota

CLAIM = ("claim_id", "tier", "to", "slot", "signature")
RECEIVE = ("claim_id", "receiver", "signature")


class RateLimit:
    """One bucket a node; certificates are few, so the table is."""

    def __init__(self, quota: Quota, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._quota, self._clock_ns = quota, clock_ns
        self._full_at: dict[Peer, int] = {}

    def take(self, peer: Peer) -> float:
        """0 where it may ask, else the seconds until it may."""
        now, full_at = self._clock_ns(), self._full_at.get(peer, 0)
        if wait := self._quota.wait_ns(full_at, now):
            return wait / SECOND
        self._full_at[peer] = self._quota.take(full_at, now)
        return 0


class CloudServer:
    """Answers each peer for its own grant alone."""

    def __init__(self, grants: Grants, limit: RateLimit) -> None:
        self._grants, self._limit = grants, limit
        self._operations: dict[str, Callable[[Peer, Answer], Awaitable[Answer]]] = {
            "claim": self._claim,
            "find": self._find,
            "receive": self._receive,
            "status": self._status,
            "grant": self._grant,
            "close": self._close,
        }

    async def serve(self, host: str, port: int, context: ssl.SSLContext) -> asyncio.Server:
        """Listen; who shows no certificate of ours never gets here."""
        return await serve_peers(host, port, context, self.answer)

    async def answer(self, peer: Peer, request: Answer) -> Answer:
        """`ok` or `error`, as the signer's socket has them."""
        operation = self._operations.get(str(request.get("op")))
        if operation is None:
            return error("bad_claim", "there is no such operation")
        try:
            return {"ok": await operation(peer, request)}
        except SignerRefused as refusal:
            return error(refusal.code, str(refusal), refusal.retry_after_s)
        except SignerAway:
            return error("not_ready", "the cloud signer of this node is starting")
        except NotVerified as fault:
            return error("bad_claim", str(fault))
        except (KeyError, TypeError) as fault:
            return error("bad_claim", f"not understood: {fault}")

    async def _claim(self, peer: Peer, request: Answer) -> Answer:
        by_key = {"claim_key": request["claim_key"]} if "claim_key" in request else {}
        return await self._ask(peer, "claim", **{name: request[name] for name in CLAIM}, **by_key)

    async def _find(self, peer: Peer, request: Answer) -> Answer:
        return await self._ask(peer, "find", claim_id=request["claim_id"])

    async def _receive(self, peer: Peer, request: Answer) -> Answer:
        return await self._ask(peer, "receive", **{name: request[name] for name in RECEIVE})

    async def _ask(self, peer: Peer, op: str, **fields: object) -> Answer:
        if wait := self._limit.take(peer):
            raise SignerRefused("quota", f"{peer.node} asks its cloud signer too often", wait)
        return await self._own(peer, op, **fields)

    async def _status(self, peer: Peer, _request: Answer) -> Answer:
        return await self._own(peer, "status")

    async def _own(self, peer: Peer, op: str, **fields: object) -> Answer:
        held = self._grants.of(peer)
        if held is None:
            raise SignerRefused("not_ready", f"the cloud signer holds no grant for {peer.node} of {peer.drop}")
        return await held.signer.ask(op, **fields)

    async def _grant(self, _peer: Peer, request: Answer) -> Answer:
        """Told by whoever has a certificate: what counts is that the owner signed it. Answers with the new key."""
        held = self._grants.add(request["envelope"])
        told = await held.signer.ask("status")
        if not told["key"]:
            raise SignerRefused("not_ready", str(told["reason"]))
        return {name: told[name] for name in ("grant_id", "key")}

    async def _close(self, _peer: Peer, request: Answer) -> Answer:
        """As with a grant: what counts is that the owner signed the command."""
        held = self._grants.commanded(request["envelope"])
        return await held.signer.ask("close", envelope=request["envelope"])
