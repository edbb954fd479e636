"""The courier: the signer's durable frames to the hub, leases and a witness's word to the signer. It keeps nothing.

After a cut or a restart it goes on behind the last message that the hub holds; the hub's ledger takes each frame
once, so a message sent twice costs nothing. The witnesses at the site it tells how far the journal goes, and it is such
a witness itself for the node's neighbours (docs/decisions/0012).
"""

from __future__ import annotations

import asyncio
import random
import ssl
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.bus.asking import Witnesses
from node_image.bus.config import DOMAIN
from node_image.bus.cooling import tell_cooling
from node_image.bus.telling import Teller
from node_image.bus.ways import HubWay, site_ways
from node_image.peers import client_context
from node_image.protocol import lease
from node_image.protocol.facts import DropFacts, parse
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient, SignerRefused, socket_of, tail
from node_image.witness import PORT
from node_image.witness.server import Files, serve

ACK_S = 5.0
LEASE_POLL_S = 10.0
WORST_PAUSE_S = 5.0


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    drop_dir: Path = Path("/etc/edgedrop/drop")
    socket: Path = Path("/run/edgedrop/signer.sock")
    bus_url: str = "nats://127.0.0.1:4222"
    tls_file: Path = Path("/etc/edgedrop/cloud/node.pem")  # own key and certificate, to tell and to ask with
    authority_file: Path = Path("/etc/edgedrop/cloud/authority.pem")
    witness_key_file: Path = Path("/etc/edgedrop/witness/key.pem")
    witness_tls_file: Path = Path("/etc/edgedrop/witness/tls.pem")
    witness_dir: Path = Path("/var/lib/edgedrop/witness")
    host: str = "0.0.0.0"  # noqa: S104  the node's own network
    witness_port: int = PORT


class Courier:
    """One grant's frames out; its leases, and what a witness says of it, in. The site's witnesses are met by `tls`."""

    def __init__(self, facts: DropFacts, socket: Path, client: Client, tls: ssl.SSLContext | None = None) -> None:
        self._facts, self._socket, self._client = facts, socket, client
        self._subject = f"journal.{facts.drop}.{facts.node}.{facts.epoch}"
        self._signer = SignerClient(socket)
        site = site_ways(facts, tls)
        self._witnesses = Witnesses(facts, self._signer, (HubWay(facts, client), *site))
        self._teller = Teller(self._signer, site, self._witnesses.ask_now)

    async def run(self) -> None:
        """All ways, each tried again for ever."""
        ways = (_persist("journal", self._ship), _persist("leases", self._fetch_leases))
        await asyncio.gather(*ways, self._witnesses.ask(), self._teller.tell())

    async def _ship(self) -> None:
        """Follow the journal from where the hub stands; each message is acknowledged before the next."""
        stream = self._client.jetstream(timeout=ACK_S, domain=DOMAIN)
        try:
            async for told in tail(self._socket, await self._resume_at()):
                first, last = int(told["first_seq"]), int(told["last_seq"])
                headers = {
                    "Nats-Msg-Id": f"{self._facts.grant_id}:{first}-{last}",
                    "Edgedrop-First": str(first),
                    "Edgedrop-Last": str(last),
                }
                await stream.publish(self._subject, b"".join(told["frames"]), headers=headers)
        finally:
            self._witnesses.ask_now()  # it hung up; where it was the hub instead, a question more does no harm
        raise SignerAway("the signer hung up")

    async def _resume_at(self) -> int:
        try:
            last = await self._client.jetstream(timeout=ACK_S, domain=DOMAIN).get_last_msg("JOURNAL", self._subject)
        except NotFoundError as fault:
            if "stream" in str(fault.description):
                raise
            return 0
        return int((last.headers or {})["Edgedrop-Last"]) + 1

    async def _fetch_leases(self) -> None:
        """The newest lease now and whenever one is told; asked again at times, for one told while we were cut off."""
        subject = lease.subject(self._facts.drop, self._facts.node, self._facts.epoch)
        told = await self._client.subscribe(subject)
        stream = self._client.jetstream(timeout=ACK_S, domain=DOMAIN)
        try:
            while True:
                try:
                    last = await stream.get_last_msg("LEASES", subject)
                    await self._hand_over(last.data or b"")
                except NotFoundError:
                    pass  # none is opened yet
                try:
                    await self._hand_over((await told.next_msg(LEASE_POLL_S)).data)
                except TimeoutError:
                    continue
        finally:
            await told.unsubscribe()

    async def _hand_over(self, envelope: bytes) -> None:
        try:
            await self._signer.ask("lease", envelope=envelope)
            self._witnesses.has_news()  # where there is a lease, the hub is told of the grant in the same moment
        except SignerRefused as refusal:
            log("the signer refused a lease", level="warning", node=self._facts.node, reason=str(refusal))


async def _persist(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run it again for ever, with a growing, random pause: a hub that comes back is not met by all nodes at once."""
    pause = 0.1
    while True:
        begun = asyncio.get_running_loop().time()
        try:
            await work()
        except (SignerAway, NatsError, OSError, TimeoutError) as fault:
            log(f"{what} wait", level="warning", reason=f"{type(fault).__name__}: {fault}")
        if asyncio.get_running_loop().time() - begun > WORST_PAUSE_S:
            pause = 0.1
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter
        pause = min(WORST_PAUSE_S, pause * 2)


async def _serve(settings: Settings) -> None:
    facts = parse((settings.drop_dir / "drop.json").read_bytes())
    client = await nats.connect(
        settings.bus_url, max_reconnect_attempts=-1, reconnect_time_wait=1, allow_reconnect=True, error_cb=_quiet
    )
    log("courier serves", drop=facts.drop, node=facts.node)
    tls = client_context(settings.tls_file, settings.authority_file) if facts.witness_places else None
    grants = ((one, socket_of(settings.socket, one.epoch)) for one in facts.each())
    work = [Courier(one, socket, client, tls).run() for one, socket in grants]
    work.append(tell_cooling(facts, settings.socket.parent, client))
    if facts.witness_places:  # who has witnesses at the site is one
        work.append(_persist("witness", partial(_witness, settings, facts)))
    await asyncio.gather(*work)


async def _witness(settings: Settings, facts: DropFacts) -> None:
    """For this node's neighbours."""
    files = Files(settings.witness_key_file, settings.witness_tls_file, settings.authority_file, settings.witness_dir)
    server = await serve(facts.drop, facts.node, files, settings.host, settings.witness_port)
    await server.serve_forever()


async def _quiet(fault: Exception) -> None:
    log("bus", level="warning", reason=str(fault))


def main() -> int:
    """Serve until killed: there is nothing to finish."""
    asyncio.run(_serve(Settings()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
