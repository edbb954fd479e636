"""Before the signer can sign: its socket is there, says that it isn't ready, and why."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from node_image.service import log
from node_image.signer.client import read_message, write_message
from node_image.signer.keystores import HsmFault, Key, Report

FOR_A_JOURNAL = {"lease", "tail"}  # hung up on: who asks these asks again, and soon
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0


class Warming:
    """What the socket says until there is a key that signs."""

    def __init__(self, grant_id: str) -> None:
        self._grant_id = grant_id
        self._peers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.AbstractServer | None = None
        self._over = False
        self.code, self.reason = "not_ready", "the keystore is warming up"

    async def serve(self, path: Path) -> None:
        """Listen; a socket file that a dead process left is taken over."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240  once, before anyone is served
        self._server = await asyncio.start_unix_server(self._connection, path)

    def close(self) -> None:
        """Make way for the signer; who is connected connects again, and who was let in and not yet heard as well."""
        self._over = True
        if self._server:
            self._server.close()
        for peer in self._peers:
            peer.close()

    def status(self) -> dict[str, Any]:
        """As the signer's own, with nothing in it."""
        keystore = Report("", self.reason if self.code == "stopped" else "", None, None, None)
        nothing = {"key": None, "head": "", "issued": {}, "left": {}, "keystore": asdict(keystore)}
        numbers = {"journal_seq": 0, "durable_seq": 0}
        return {"grant_id": self._grant_id, **nothing, **numbers, "ready": False, "reason": self.reason}

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._peers.add(writer)
        with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
            while not self._over and (request := await read_message(reader)) is not None:
                if request.get("op") in FOR_A_JOURNAL:
                    break
                refusal = {"error": {"code": self.code, "message": self.reason}}
                told = {"ok": self.status()} if request.get("op") == "status" else refusal
                await write_message(writer, {"id": request.get("id"), **told})
        self._peers.discard(writer)
        writer.close()


async def warm_keys(open_keys: Callable[[], tuple[Key, Key]], warming: Warming) -> tuple[Key, Key]:
    """Sessions, keys, one signature that means nothing; again until it works. Misfit ends it: no waiting mends that."""
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await asyncio.to_thread(_warmed, open_keys)
        except HsmFault as fault:
            warming.code, warming.reason = "stopped", f"the keystore is not warm: {fault}"
            log("keystore is not warm", level="warning", reason=str(fault))
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE_S, pause * 2)


def _warmed(open_keys: Callable[[], tuple[Key, Key]]) -> tuple[Key, Key]:
    lease, enrolment = open_keys()
    lease.warm()  # of both: they are one HSM's, and each signature is taken from its quota
    return lease, enrolment
