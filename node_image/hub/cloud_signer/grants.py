"""The grants that the cloud signer holds: told by the owner's signed facts, kept on disk, each served on its socket."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from node_image import durable
from node_image.bus.courier import Courier
from node_image.peers import Peer
from node_image.protocol import closeout
from node_image.protocol import facts as drop_facts
from node_image.protocol.errors import NotVerified, ProtocolError
from node_image.protocol.facts import CLOUD, DropFacts
from node_image.service import log
from node_image.signer.client import SignerClient
from node_image.signer.journal_file import DiskFault
from node_image.signer.keystores import HsmFault, Shared
from node_image.signer.serve import serve_grant

AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Places:
    """Folders: owner's envelopes, journals, and the sockets, which nobody else may reach."""

    facts: Path
    journals: Path
    sockets: Path


@dataclass(frozen=True, slots=True)
class Held:
    """One grant with the way to its signer."""

    facts: DropFacts
    signer: SignerClient


class Grants:
    """All grants of this hub. One keystore for them all, so that its quota is the HSM's and not each key's own."""

    def __init__(self, places: Places, owner_public_pem: bytes, keystore: str, bus: Client) -> None:
        self._places, self._owner, self._bus = places, owner_public_pem, bus
        self._keystore = Shared(keystore)
        self._held: dict[str, Held] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._begun = asyncio.Event()

    def open_keystore(self) -> None:
        """Now rather than at the first grant, to find out early what cannot be; one that is out may come back."""
        try:
            self._keystore.opened()
        except HsmFault as fault:
            log("the keystore is out", level="warning", reason=str(fault))

    async def watch(self) -> None:
        """Ends with the fault of a task that ended, which none may: a process that starts anew is whole again."""
        while True:
            self._begun.clear()
            news = asyncio.create_task(self._begun.wait())
            done, _ = await asyncio.wait({news, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for one in done - {news}:
                one.result()
            news.cancel()

    def of(self, peer: Peer) -> Held | None:
        """The newest epoch of the peer's own grant."""
        own = [one for one in self._held.values() if (one.facts.drop, one.facts.node) == (peer.drop, peer.cloud_node)]
        return max(own, key=lambda one: one.facts.epoch, default=None)

    def load(self) -> None:
        """Those that were told before; an envelope that the owner didn't sign is left lying and named."""
        for path in sorted(self._places.facts.glob("*.dsse.json")):
            try:
                self._begin(drop_facts.verify(path.read_bytes(), self._owner))
            except NotVerified as fault:
                log("a grant is not taken", level="error", file=path.name, reason=str(fault))

    def add(self, envelope: bytes) -> Held:
        """Take a grant that the owner signed; the same again is no news. NotVerified."""
        facts = drop_facts.verify(envelope, self._owner)
        if not facts.node.endswith(CLOUD):
            raise NotVerified(f"the cloud signer takes grants of nodes named ..{CLOUD}, not of {facts.node}")
        held = self._held.get(facts.grant_id)
        if held is None:
            durable.write(self._places.facts / f"{facts.grant_id}.dsse.json", envelope)
            return self._begin(facts)
        if held.facts != facts:
            raise NotVerified("this grant was told with other facts; facts of a grant never change")
        return held

    def commanded(self, envelope: bytes) -> Held:
        """The grant that the owner's command to close is for. NotVerified."""
        held = self._held.get(closeout.verify(envelope, self._owner).grant_id)
        if held is None:
            raise NotVerified("the cloud signer holds no such grant")
        return held

    def _begin(self, facts: DropFacts) -> Held:
        name = hashlib.sha256(facts.grant_id.encode()).hexdigest()[:16]  # a socket's path has 107 characters at most
        socket = self._places.sockets / f"{name}.sock"
        held = self._held[facts.grant_id] = Held(facts, SignerClient(socket))
        self._keep("signer", facts, lambda: serve_grant(facts, self._keystore.key, self._places.journals, socket))
        self._keep("courier", facts, Courier(facts, socket, self._bus).run)
        return held

    def _keep(self, what: str, facts: DropFacts, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A grant whose journal or disk fails takes no other with it, and is tried again."""

        async def kept() -> None:
            while True:
                try:
                    await work()
                except (ProtocolError, DiskFault, HsmFault, OSError) as fault:
                    log(f"{what} stands still", level="error", drop=facts.drop, node=facts.node, reason=str(fault))
                await asyncio.sleep(AGAIN_S)

        task = asyncio.create_task(kept())
        self._tasks.add(task)
        self._begun.set()
