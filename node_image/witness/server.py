"""The face of a witness at the site: each node tells of its own journal, any node of the drop asks.

A grant that it was told nothing of gets no statement. An empty one, as the hub gives of a grant that has begun, would
here be the word of a witness that lost its disk, and would vouch for any copy.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgspec

from node_image.peers import Answer, Peer, error, serve_peers, server_context
from node_image.protocol import witness
from node_image.protocol.errors import NotVerified
from node_image.protocol.witness import Mark, Statement
from node_image.service import log
from node_image.witness.records import Epoch, Record, Records


class Told(msgspec.Struct, frozen=True):
    """A node's word on how far its journal of this epoch goes."""

    epoch: Epoch
    mark: Mark


class Asked(msgspec.Struct, frozen=True):
    """A question as protocol/witness.py has it."""

    question: bytes


@dataclass(frozen=True, slots=True)
class Files:
    """Where its secrets and its records lie."""

    key: Path  # ed25519, PEM: signs statements
    tls: Path  # own key and certificate, PEM
    authority: Path
    records: Path


class WitnessServer:
    """One drop's witness, by the name under which drop.json has its key."""

    def __init__(self, drop: str, name: str, records: Records, private_pem: bytes) -> None:
        self._drop, self._name, self._records, self._key = drop, name, records, private_pem
        self._writing = asyncio.Lock()

    async def answer(self, peer: Peer, request: Answer) -> Answer:
        """`tell` {epoch, mark} -> {kept}; `ask` {question} -> {answer}, a statement or a refusal."""
        if peer.drop != self._drop:
            return error("stranger", f"this witness is of the drop {self._drop}")
        try:
            if request.get("op") == "tell":
                return {"ok": {"kept": await self._keep(peer, msgspec.convert(request, Told))}}
            if request.get("op") == "ask":
                return {"ok": {"answer": self._say(msgspec.convert(request, Asked).question)}}
        except msgspec.ValidationError as fault:
            return error("bad_request", f"not understood: {fault}")
        except OSError as fault:
            log("a mark is not kept", level="error", node=peer.node, reason=str(fault))
            return error("stopped", f"the witness's disk: {fault.strerror}")
        return error("bad_request", "there is no such operation")

    async def _keep(self, peer: Peer, told: Told) -> bool:
        """Whose journal it is says the certificate, not the message."""
        if not told.mark.journal_seq:
            raise msgspec.ValidationError("no frame at all: who saw nothing vouches for nothing")
        record = Record.of(self._drop, peer.node, told.epoch, told.mark)
        async with self._writing:
            kept = await asyncio.to_thread(self._records.keep, record)
        if not kept:
            log("told less than is known, or another history", level="error", node=peer.node, grant=record.grant_id)
        return kept

    def _say(self, asked: bytes) -> bytes:
        try:
            question = witness.read_question(asked)
        except NotVerified as fault:
            return witness.refuse("bad_question", str(fault))
        record = self._records.of(question.grant_id)
        if record is None:
            return witness.refuse("unknown", f"{self._name} was told nothing of this grant")
        return witness.sign(
            Statement(
                schema=1,
                witness=self._name,
                grant_id=question.grant_id,
                nonce=question.nonce,
                journal_seq=record.journal_seq,
                next_batch=record.next_batch,
                head=record.head,
                at_ms=0,
            ),
            self._key,
        )


async def serve(drop: str, name: str, files: Files, host: str, port: int) -> asyncio.Server:
    """Listen, with what was told before; OSError where a file is missing or the port is taken."""
    records = await asyncio.to_thread(Records, files.records)
    own = WitnessServer(drop, name, records, files.key.read_bytes())
    server = await serve_peers(host, port, server_context(files.tls, files.authority), own.answer)
    log("witness serves", drop=drop, witness=name, port=port)
    return server
