"""A claim key's token from a phone to its receiver: page, signer, journal, ledger, relayer, chain.

And without any of ours after the claim: the key's word in a stranger's transaction.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from eth_account import Account

from infra.home import cache
from node_image.protocol import announcement, journal
from node_image.protocol.hexes import unhex
from node_image.protocol.lease import Lease
from node_image.signer.client import SignerClient
from tests import browser
from tests.browser import Tab, chromium
from tests.drop_on_disk import FAR, Drop, make_drop, softhsm_missing
from tests.e2e.contract_world import OPERATOR
from tests.e2e.hub_world import free_port, missing, wait_for
from tests.e2e.stolen_key import Stage, stage

LACKS = missing() or softhsm_missing() or browser.missing()
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(LACKS), reason=LACKS)]
START, QUOTA = 100, 50
STRANGER = "0x" + "5f" * 32


@dataclass(frozen=True)
class Place:
    """A node whose drop is on the stage's chain and in its ledger; its journal goes there when it is told to."""

    on: Stage
    drop: Drop
    url: str
    mint: subprocess.Popen[bytes]

    def ship(self) -> None:
        """The whole journal, again and again: what came before brings nothing new."""
        (file,) = (self.drop.folder / "journal").glob("*.journal")
        frames = journal.scan(file.read_bytes()).frames
        headers = {"Edgedrop-First": "0", "Edgedrop-Last": str(len(frames) - 1), "Nats-Msg-Id": os.urandom(8).hex()}
        facts = self.drop.facts
        subject = f"journal.{facts.drop}.{facts.node}.1"
        self.on.hub.publish((subject, b"".join(frame.raw for frame in frames), headers))

    def counts(self, **wanted: int) -> None:
        """Until the ledger counts so many of each, with what the node has by then."""

        def there() -> bool:
            self.ship()
            told = self.on.hub.get(f"/v1/drops/{self.drop.facts.drop}").json()["grants"]
            return bool(told) and all(told[0][name] == number for name, number in wanted.items())

        wait_for(there, 30, str(wanted), every=0.3)

    def owner(self, token_id: int) -> str | None:
        """The token's, on chain."""
        return self.on.chain.owner_of(self.on.contract, token_id)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with stage(tmp_path_factory.mktemp("stage"), 1000) as on:
        on.hub.start("relayer")
        drop = make_drop(tmp_path_factory.mktemp("node") / "d", owner=on.hub.owner, contract=on.contract)
        port = free_port()
        told = {"STATIC_DIR": str(cache() / "npm/node_modules/ethers/dist"), "HOST": "127.0.0.1", "PORT": str(port)}
        signer = drop.signer()
        mint = subprocess.Popen(
            [sys.executable, "-m", "node_image.mint"],
            env=drop.environment() | {f"EDGEDROP_{name}": value for name, value in told.items()},
        )
        made = Place(on, drop, f"http://127.0.0.1:{port}", mint)
        try:
            opened(made)
            wait_for(lambda: ready(made.url), 30, "the mint")
            yield made
        finally:
            for process in (mint, signer):
                process.kill()
                process.wait()


def opened(place: Place) -> None:
    """As the stack does it: the grant on chain, its lease at the signer, both announced, its journal vouched for."""
    facts, owner, lease = place.drop.facts, place.drop.owner, Lease(0, START, QUOTA, 0, FAR)
    key = str(place.drop.ask("address")["key"])
    leases = [{name: getattr(lease, name) for name in lease.__struct_fields__}]
    place.on.chain.open_grant(OPERATOR, facts.contract, facts.grant_id, key, leases)
    names = ("drop", "title", "chain_id", "contract", "manifest_digest", "opens_at", "closes_at", "redeem_by", "tiers")
    told = announcement.DropAnnouncement(1, *(getattr(facts, name) for name in names))
    grant = announcement.GrantAnnouncement(1, facts.drop, facts.node, facts.geo, 1, facts.grant_id, key, (lease,))
    place.on.hub.publish(
        (f"drop.{facts.drop}", announcement.sign(told, owner), {}),
        (f"drop.{facts.drop}.grant.{facts.node}", announcement.sign(grant, owner), {}),
    )
    told_lease = place.drop.lease(key, quota=QUOTA, start=START)
    asyncio.run(SignerClient(place.drop.socket).ask("lease", envelope=told_lease))
    place.drop.vouch()


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as found:
        yield found


def taken(tab: Tab, place: Place, tickets: int) -> None:
    """One more token with a key, as a person does it."""
    tab.open(place.url)
    tab.until("document.querySelector('.tier .quiet')")
    tab.click(".tier .quiet")
    tab.until(f"document.querySelectorAll('.ticket .named').length === {tickets}")


def given(tab: Tab, receiver: str) -> None:
    """The first ticket that waits gets its receiver."""
    tab.run(
        f"(() => {{ const form = document.querySelector('.ticket form:not([hidden])');"
        f" form.receiver.value = {json.dumps(receiver)}; form.querySelector('button').click(); }})()"
    )


def test_a_token_taken_with_a_key_waits_for_its_receiver_and_then_goes_there(tab: Tab, place: Place) -> None:
    receiver = Account.create().address
    taken(tab, place, 1)
    assert "waits for the wallet" in tab.text(".ticket .named")
    assert tab.run("document.documentElement.scrollWidth") <= 390, "it fits a phone"
    tab.run("document.querySelector('.ticket .key').open = true")
    assert tab.run("document.querySelector('.ticket .qr svg').getBoundingClientRect().width") > 200, "a code to be read"
    place.counts(vouchers=1, unreceived=1, failed=0)
    assert place.owner(START) is None
    given(tab, "0x12")
    tab.until("document.querySelector('#message').innerText.includes('no wallet')")
    given(tab, receiver)
    tab.until("document.querySelector('.ticket .named').innerText.includes('It goes to 0x')")
    assert not tab.run("document.querySelector('.ticket form').checkVisibility()")
    place.counts(redeemed=1, unreceived=0, failed=0)
    assert place.owner(START) == receiver
    assert tab.said == []


def test_by_its_words_another_phone_has_the_ticket_and_anybodys_transaction_takes_it_to_the_chain(
    tab: Tab, place: Place
) -> None:
    receiver = Account.create().address
    taken(tab, place, 2)
    words = tab.run("[...document.querySelectorAll('.ticket .words')].at(-1).textContent")
    tab.run("localStorage.clear()")
    tab.open(place.url)
    tab.until("document.querySelector('.tier')")
    tab.run("document.querySelector('#back').closest('details').open = true")
    tab.type("#words", f"  {words.upper()} ")
    tab.click("#back button")
    tab.until("document.querySelectorAll('.ticket .named').length === 1")
    place.ship()
    place.mint.kill()
    place.mint.wait()
    given(tab, receiver)
    tab.until("document.querySelector('#message').innerText.includes('does not answer')")
    tab.until("document.querySelector('.ticket .call').checkVisibility()")
    call = tab.run("import('/page/keys.js').then((keys) => keys.callOf(keys.keysOf({drop: 'lights'})[0]))")
    place.on.chain.fund(Account.from_key(STRANGER).address)
    place.on.chain.send(STRANGER, call["to"], unhex(call["data"]), int(call["value"]))
    assert place.owner(START + 1) == receiver
    place.counts(redeemed=2, unreceived=0)
