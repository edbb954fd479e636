"""A signer asks the hub whether its journal is the newest: signer, courier, leaf, bus and ledger as they run."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from node_image.protocol import announcement
from node_image.protocol.lease import Lease
from node_image.signer.client import SignerAway, SignerClient, SignerRefused
from tests.a_witness import Witness
from tests.drop_on_disk import FAR, Drop, make_drop, softhsm_missing
from tests.e2e.hub_world import Hub, leaf_bus, missing, postgres, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(missing() or softhsm_missing()), reason="no hub or no SoftHSM2")]
SECRET = "-"  # what Hub tells its services
SUBJECT = "journal.lights.quay-appliance1.1"


@dataclass
class World:
    """One node and its hub."""

    hub: Hub
    drop: Drop
    leaf: str
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
        environment = self.drop.environment() | {"EDGEDROP_BUS_URL": self.leaf}
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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All up, nothing announced."""
    folder = tmp_path_factory.mktemp("way")
    with ExitStack() as stack:
        hubs, own = stack.enter_context(leaf_bus(folder, SECRET))
        engine = stack.enter_context(postgres())
        hub = Hub(folder, hubs.replace("//", f"//hub:{SECRET}@"), engine, "http://127.0.0.1:1")
        drop = make_drop(folder / "d", owner=hub.owner, witness=Witness(hub.witness))
        made = World(hub, drop, own)
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
