"""Requests between machines of ours: the signer's framing over mutual TLS 1.3.

Who a peer is stands in its certificate (infra/certificates.py): CN is the node, O the drop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from node_image.protocol.facts import cloud_node
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient, read_message, write_message

ANSWER_S = 3.0
DIAL_S = 2.0
HANDSHAKE_S = 5.0
AT_ONCE = 64  # requests of one connection under way

type Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """A node of a drop: CN and O of its certificate."""

    drop: str
    node: str

    @property
    def cloud_node(self) -> str:
        """The node that its cloud grant is for."""
        return cloud_node(self.node)


def server_context(own_pem: Path, authority_pem: Path) -> ssl.SSLContext:
    """Who is asked: no peer without a certificate of our authority that is for clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority_pem))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(own_pem)
    return context


def client_context(own_pem: Path, authority_pem: Path) -> ssl.SSLContext:
    """Who asks: the other's certificate names its address, the system's authorities count for nothing."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(authority_pem))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(own_pem)
    return context


def peer_of(certificate: dict[str, Any]) -> Peer | None:
    """From what `ssl` gives of a verified certificate; None where it names no drop and node, or one of them twice."""
    named: dict[str, list[str]] = {}
    for part in certificate.get("subject", ()):
        for key, value in part:
            named.setdefault(key, []).append(value)
    drops, nodes = named.get("organizationName", []), named.get("commonName", [])
    return Peer(drops[0], nodes[0]) if len(drops) == len(nodes) == 1 else None


def error(code: str, message: str, retry_after_s: float | None = None) -> Answer:
    """A no, as the signer's socket has it."""
    told: Answer = {"code": code, "message": message}
    return {"error": told if retry_after_s is None else told | {"retry_after_s": retry_after_s}}


class PeerClient(SignerClient):
    """The signer's messages over mutual TLS."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(Path(), ANSWER_S)
        self._host, self._port, self._context = host, port, context

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opening = asyncio.open_connection(self._host, self._port, ssl=self._context)
        try:
            return await asyncio.wait_for(opening, DIAL_S)
        except (OSError, TimeoutError) as fault:
            raise SignerAway(f"{self._host}:{self._port} does not answer: {type(fault).__name__}") from fault


type Answers = Callable[[Peer, Answer], Awaitable[Answer]]


async def serve_peers(host: str, port: int, context: ssl.SSLContext, answers: Answers) -> asyncio.Server:
    """Listen; who shows no certificate of ours gets no answer. `answers` gives `ok` or `error` to a peer's request."""
    connected = partial(_connection, answers)
    return await asyncio.start_server(connected, host, port, ssl=context, ssl_handshake_timeout=HANDSHAKE_S)


async def _connection(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    peer = peer_of(writer.get_extra_info("peercert") or {})
    seats, own = asyncio.Semaphore(AT_ONCE), set[asyncio.Task[None]]()
    try:
        while peer and (request := await read_message(reader)) is not None:
            await seats.acquire()
            task = asyncio.create_task(_handle(answers, peer, request, writer))
            own.add(task)
            task.add_done_callback(own.discard)
            task.add_done_callback(lambda _: seats.release())
    except (OSError, ValueError, msgspec.MsgspecError) as fault:
        log("a peer is hung up on", level="warning", node=peer.node if peer else "", reason=str(fault))
    finally:
        for task in own:
            task.cancel()
        writer.close()


async def _handle(answers: Answers, peer: Peer, request: Answer, writer: asyncio.StreamWriter) -> None:
    try:
        await write_message(writer, {"id": request.get("id"), **await answers(peer, request)})
    except OSError:
        writer.close()  # it went away before its answer
