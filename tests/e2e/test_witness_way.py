"""A signer asks hub, front and peer whether its journal is the newest: all of them as they run, in processes."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from infra import certificates, keys
from infra.home import place
from node_image.bus.ways import SiteWay
from node_image.peers import client_context
from node_image.protocol import announcement, dsse, eip712, witness
from node_image.protocol.hexes import unhex
from node_image.protocol.lease import Lease
from node_image.protocol.witness import Mark, Statement
from node_image.signer.client import SignerAway, SignerClient, SignerRefused
from tests.a_witness import Witness
from tests.drop_on_disk import FAR, Drop, make_drop, softhsm_missing
from tests.e2e.hub_world import Hub, free_port, leaf_bus, missing, postgres, wait_for
from tests.site_on_disk import SiteOnDisk

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(missing() or softhsm_missing()), reason="no hub or no SoftHSM2")]
SECRET = "-"  # what Hub tells its services
SUBJECT = "journal.lights.quay-appliance1.1"
PEER = "quay-spare1"


@dataclass
class World:
    """One node and its hub."""

    hub: Hub
    drop: Drop
    leaf: str
    site: SiteOnDisk
    own_port: int  # where its courier is a witness for its neighbours
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        """Its file."""
        (found,) = (self.drop.folder / "journal").glob("*.journal")
        return found

    def start_signer(self) -> None:
        """As a restart of its container."""
        self.processes["signer"] = self.drop.signer()

    def start_courier(self) -> None:
        """On the node's leaf."""
        tls = certificates.node_file(self.drop.facts.drop, self.drop.facts.node)
        environment = self.drop.environment() | {"EDGEDROP_BUS_URL": self.leaf, "EDGEDROP_TLS_FILE": str(tls)}
        environment |= self.site.environment(self.drop.facts.node, self.own_port)
        self.processes["courier"] = subprocess.Popen([sys.executable, "-m", "node_image.bus.courier"], env=environment)

    def stop(self, *names: str) -> None:
        """SIGKILL."""
        for name in names:
            process = self.processes.pop(name)
            process.kill()
            process.wait()

    def status(self) -> dict[str, Any]:
        """The signer's, empty while it is away."""
        with suppress(SignerAway):
            return asyncio.run(SignerClient(self.drop.socket).ask("status"))
        return {}

    def announce(self) -> None:
        """Drop, grant and lease, as the stack tells them."""
        facts, leases = self.drop.facts, (Lease(0, 100, 1000, 0, FAR),)
        key = str(self.drop.ask("address")["key"])
        names = (facts.drop, facts.title, facts.chain_id, facts.contract, facts.manifest_digest)
        drop = announcement.DropAnnouncement(1, *names, facts.opens_at, facts.closes_at, facts.redeem_by, facts.tiers)
        grant = announcement.GrantAnnouncement(1, facts.drop, facts.node, facts.geo, 1, facts.grant_id, key, leases)
        self.hub.publish(
            (f"drop.{facts.drop}", announcement.sign(drop, self.drop.owner), {}),
            (f"drop.{facts.drop}.grant.{facts.node}", announcement.sign(grant, self.drop.owner), {}),
            (f"lease.{facts.drop}.{facts.node}", self.drop.lease(key), {}),
        )

    def sell(self, *names: str) -> None:
        """A claim each, one after the other."""
        for name in names:
            assert self.claim(name) == "voucher"

    def claim(self, name: str) -> str:
        """What a claim is told: `voucher`, `reserve`, or the code of a no."""
        asked = self.drop.claim(name)
        fields = {"tier": 0, "to": asked.to, "slot": 0, "signature": asked.signature}
        try:
            told = asyncio.run(SignerClient(self.drop.socket).ask("claim", claim_id=name, **fields))
        except SignerRefused as no:
            return no.code
        return "voucher" if "voucher" in told else "reserve"

    def seen_by(self, name: str) -> int:
        """How many frames a witness at the site holds of its journal; none where it is away, too."""
        grant, nonce = unhex(self.drop.facts.grant_id), bytes(32)

        async def ask() -> int:
            way = SiteWay(name, self.site.places[name], 1, peers_context())
            answer = await way.ask(witness.ask(grant, nonce))
            if witness.refusal(answer):
                return 0
            return witness.verify(answer, self.site.public[name].encode(), grant, nonce).journal_seq

        with suppress(SignerAway):
            return asyncio.run(ask())
        return 0

    def shipped(self) -> int:
        """How many frames the hub's stream holds."""

        async def last(client: Client) -> int:
            found = await client.jetstream().get_last_msg("JOURNAL", SUBJECT)
            return int((found.headers or {})["Edgedrop-Last"]) + 1

        return self.hub.ask(last)

    def ledger(self) -> dict[str, Any]:
        """What it says of the grant."""
        told: dict[str, Any] = self.hub.get("/v1/drops/lights").json()
        grant: dict[str, Any] = told["grants"][0]
        return told | grant

    def settled(self) -> bool:
        """The ledger holds all that is durable."""
        return bool(self.ledger()["journal_seq"] == self.status()["durable_seq"])


def peers_context() -> ssl.SSLContext:
    """With the certificate of the neighbour."""
    return client_context(certificates.node_file("lights", PEER), place("keys", "authority.pem"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All up, nothing announced."""
    folder = tmp_path_factory.mktemp("way")
    with ExitStack() as stack:
        hubs, own = stack.enter_context(leaf_bus(folder, SECRET))
        engine = stack.enter_context(postgres())
        hub = Hub(folder, hubs.replace("//", f"//hub:{SECRET}@"), engine, "http://127.0.0.1:1")
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("EDGEDROP_HOME", str(folder / "home"))
        site = SiteOnDisk(folder, "lights", {name: free_port() for name in ("front", PEER)})
        drop = make_drop(folder / "d", owner=hub.owner, witness=Witness(hub.witness))
        made = World(hub, drop.seen_by(site.public, site.places), own, site, free_port())
        stack.callback(lambda: site.kill(*list(site.running)))
        stack.callback(lambda: made.stop(*list(made.processes)))
        stack.callback(lambda: hub.kill(*list(hub.running)))
        hub.start("ledger")
        made.start_signer()
        made.start_courier()
        yield made


def test_it_sells_soon_after_the_hub_was_told_of_its_grant(world: World) -> None:
    wait_for(lambda: bool(world.status().get("key")), 30, "the signer's key")
    assert world.status()["fresh"] is False
    world.announce()
    wait_for(lambda: bool(world.status()["ready"]), 30, "the hub's word")
    assert world.status()["time"]["source"] == "hub"
    world.sell("a", "b")
    wait_for(world.settled, 20, "the journal at the ledger")


def test_a_restart_with_the_hub_away_sells_nothing_until_it_is_back(world: World) -> None:
    world.hub.kill("ledger")
    world.sell("offline")  # it was vouched for: it goes on
    world.stop("signer")
    world.start_signer()
    wait_for(lambda: bool(world.status().get("key")), 30, "the signer's key")
    assert world.claim("cut off") in {"not_ready", "reserve"}  # first the one, then the other
    assert "no witness" in world.status()["reason"]
    world.hub.start("ledger")
    wait_for(lambda: bool(world.status()["ready"]), 30, "the hub's word")
    world.sell("back")
    wait_for(world.settled, 20, "the journal at the ledger")


def test_a_restored_older_copy_is_refused_with_its_gap_and_ships_nothing(world: World) -> None:
    copy, newest = world.drop.folder / "copy", world.drop.folder / "newest"
    shutil.copy(world.journal, copy)
    world.sell("c", "d")
    wait_for(world.settled, 20, "the journal at the ledger")
    whole = world.shipped()
    world.stop("signer")
    shutil.copy(world.journal, newest)
    shutil.copy(copy, world.journal)
    world.start_signer()
    wait_for(lambda: "an older copy" in world.status().get("reason", ""), 30, "the hub's word")
    held = world.status()["journal_seq"]
    assert f"hub saw {whole - held} frames" in world.status()["reason"]
    assert world.claim("e") == "stopped"
    assert (world.shipped(), world.ledger()["faults"]) == (whole, [])
    world.stop("signer")
    shutil.copy(newest, world.journal)
    world.start_signer()
    wait_for(lambda: bool(world.status().get("ready")), 30, "the newest journal's return")
    world.sell("e")
    wait_for(world.settled, 20, "the journal at the ledger")
    assert world.ledger()["faults"] == []


def test_with_the_hub_away_front_or_peer_vouch_for_a_restart_within_seconds(world: World) -> None:
    world.site.start("front", PEER)
    for name in ("front", PEER):
        wait_for(lambda name=name: world.seen_by(name) == world.status()["durable_seq"], 20, f"its mark at {name}")  # type: ignore[misc]
    world.hub.kill("ledger")
    for number, (stays, away) in enumerate((("front", PEER), (PEER, "front"))):
        world.site.kill(away)
        world.sell(f"cut off {number}")
        wait_for(lambda: world.seen_by(stays) == world.status()["durable_seq"], 20, f"its mark at {stays}")  # noqa: B023
        world.stop("signer")
        world.start_signer()
        wait_for(lambda: bool(world.status().get("ready")), 30, f"the word of {stays}")
        assert (world.status()["vouched_by"], world.status()["time"]["source"]) == ([stays], "hub")
        world.sell(f"vouched for {number}")
        world.site.start(away)


def test_an_older_copy_is_refused_by_the_sites_word_with_the_hub_away(world: World) -> None:
    copy, newest = world.drop.folder / "copy", world.drop.folder / "newest"
    shutil.copy(world.journal, copy)
    world.sell("f", "g")
    wait_for(lambda: world.seen_by("front") == world.status()["durable_seq"], 20, "its mark at the front")
    saw = world.seen_by("front")
    world.stop("signer")
    shutil.copy(world.journal, newest)
    shutil.copy(copy, world.journal)
    world.start_signer()
    wait_for(lambda: "an older copy" in world.status().get("reason", ""), 30, "the site's word")
    assert f"saw {saw - world.status()['journal_seq']} frames" in world.status()["reason"]
    assert (world.claim("h"), world.status()["vouched_by"]) == ("stopped", [])
    world.stop("signer")
    shutil.copy(newest, world.journal)
    world.start_signer()
    wait_for(lambda: bool(world.status().get("ready")), 30, "the newest journal's return")
    world.sell("h")
    world.hub.start("ledger")
    wait_for(world.settled, 30, "the journal at the ledger")
    assert world.ledger()["faults"] == []


def test_a_node_is_a_witness_for_its_neighbours(world: World) -> None:
    """In its courier, beside the rest."""
    own, mark = world.drop.facts.node, Mark(7, 2, b"\1" * 32)
    neighbours = eip712.grant_id("lights", PEER, 1)

    async def told_and_asked() -> Statement:
        way = SiteWay(own, f"127.0.0.1:{world.own_port}", 1, peers_context())
        assert await way.tell(mark)
        answer = await way.ask(witness.ask(neighbours, bytes(32)))
        public = dsse.public_pem(keys.site_witness_pem("lights", own))
        return witness.verify(answer, public, neighbours, bytes(32))

    told = asyncio.run(told_and_asked())
    assert (told.witness, told.journal_seq, told.head) == (own, 7, "0x" + "01" * 32)
