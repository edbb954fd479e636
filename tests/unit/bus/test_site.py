"""A site that is cut off: its witnesses are told and asked by the courier, over TLS, before a real signer's socket."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from node_image.bus.asking import TOGETHER_S, Witnesses
from node_image.bus.telling import Teller
from node_image.bus.ways import SiteWay, Way, site_ways
from node_image.protocol import witness
from node_image.protocol.freshness import Freshness
from node_image.protocol.hexes import unhex
from node_image.signer.client import SignerClient
from node_image.signer.core import Signer
from node_image.signer.server import SocketServer
from node_image.signer.status import status
from tests.a_witness import Witness
from tests.unit.signer.box import Box, refused, sold
from tests.unit.witness.site import Site

SOON_S = 10.0  # a bound, on a busy machine


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Soon."""
    async with asyncio.timeout(SOON_S):
        while True:
            if await true():
                return
            await asyncio.sleep(0.01)  # the pace of asking


def holds(true: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """The same of what is at hand."""

    async def found() -> bool:
        return true()

    return found


@dataclass
class Late:
    """A way whose answer takes a while."""

    name: str
    says: Witness
    after_s: float = 0.0

    async def ask(self, question: bytes) -> bytes:
        """As the bus brings it."""
        asked = witness.read_question(question)
        await asyncio.sleep(self.after_s)
        return self.says.answer(asked.grant_id, unhex(asked.nonce))


class Cut:
    """The way to a hub that is cut off."""

    name = witness.HUB

    async def ask(self, _question: bytes) -> bytes:
        """No answer."""
        raise TimeoutError


@dataclass
class Node:
    """A box at the site, and how often its courier was to ask at once."""

    box: Box
    site: Site
    asked: int = 0

    def told(self) -> None:
        """Its facts name those who stand at the site."""
        known = self.box.facts.witnesses | self.site.public
        self.box.facts = msgspec.structs.replace(self.box.facts, witnesses=known, witness_places=dict(self.site.places))

    @property
    def ways(self) -> tuple[SiteWay, ...]:
        """To the site's witnesses."""
        return site_ways(self.box.facts, self.site.tls())

    @asynccontextmanager
    async def served(self, signer: Signer) -> AsyncIterator[SignerClient]:
        """Its socket."""
        server = await SocketServer(signer).serve(self.box.folder / "s")
        try:
            yield SignerClient(self.box.folder / "s")
        finally:
            server.close()

    @asynccontextmanager
    async def telling(self, client: SignerClient) -> AsyncIterator[None]:
        """The teller, as the courier runs it."""
        running = asyncio.create_task(Teller(client, self.ways, self._ask).tell())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    def _ask(self) -> None:
        self.asked += 1

    async def seen_by(self, name: str, signer: Signer) -> bool:
        """The witness holds all that may leave the box."""
        (way,) = (one for one in self.ways if one.name == name)
        answer = await way.ask(witness.ask(unhex(self.box.facts.grant_id), bytes(32)))
        if witness.refusal(answer):
            return False
        told = witness.heard(answer, {name: self.site.public[name].encode()})
        return told.journal_seq == signer.shippable > 0

    async def until_seen_by(self, name: str, signer: Signer) -> None:
        """Soon."""

        async def seen() -> bool:
            return await self.seen_by(name, signer)

        await until(seen)

    async def ask(self, client: SignerClient, *ways: Way) -> bool:
        """One round of questions."""
        return await Witnesses(self.box.facts, client, ways).ask_once()


@pytest.fixture
async def node(site: Site) -> Node:
    """At a site with a front and one peer."""
    made = Node(Box(site.folder), site)
    for name in ("front", "quay-spare1"):
        await site.start(name)
    made.told()
    return made


async def sold_and_seen(node: Node, copy: Path | None = None) -> Signer:
    """A signer that the hub vouched for has sold two, and both witnesses know; `copy` is from between the two."""
    signer = await node.box.start()
    await node.box.vouch(signer)
    async with node.served(signer) as client, node.telling(client):
        await sold(signer, "a")
        if copy:
            shutil.copy(node.box.path, copy)
        await sold(signer, "b", 1)
        for name in node.site.places:
            await node.until_seen_by(name, signer)
    return signer


@pytest.mark.parametrize("name", ["front", "quay-spare1"])
async def test_a_restart_is_vouched_for_by_any_one_of_them_with_the_hub_cut_off(node: Node, name: str) -> None:
    await sold_and_seen(node)
    node.site.stop(*(other for other in ("front", "quay-spare1") if other != name))
    again = await node.box.start()
    async with node.served(again) as client:
        assert await node.ask(client, Cut(), *node.ways)
    assert status(again)["vouched_by"] == (name,)
    assert (await sold(again, "c", 2)).voucher.seq == 2


async def test_an_older_copy_is_refused_with_its_gap(node: Node) -> None:
    copy = node.box.folder / "copy.journal"
    signer = await sold_and_seen(node, copy)
    restored = await node.box.start(copy)
    gap = signer.durable - restored.state.journal_seq
    async with node.served(restored) as client:
        assert await node.ask(client, Cut(), *node.ways)
    assert (await refused(restored))[0] == "stopped"
    assert f" saw {gap} frames that are not in this journal: an older copy" in status(restored)["reason"]
    assert restored.newest.journal_seq == 0, "and nobody is told of it"


async def test_who_saw_most_is_heard_first_however_soon_another_answers(node: Node) -> None:
    copy = node.box.folder / "copy.journal"
    signer = await sold_and_seen(node, copy)
    restored = await node.box.start(copy)
    missed = Late("hub", node.box.saw(restored))
    async with node.served(restored) as client:
        full = Witness(node.box.witness.key, signer.durable, signer.newest.head, lambda: node.box.now_ms)
        assert await node.ask(client, missed, Late("hub", full, 0.1))
    assert restored.standing().verdict.freshness is Freshness.BEHIND
    assert restored.vouched_by == (), "not for a moment"


async def test_a_slow_hub_holds_nobody_up_and_is_heard_all_the_same(node: Node) -> None:
    signer = await sold_and_seen(node)
    again = await node.box.start()
    async with node.served(again) as client:
        asking = asyncio.create_task(node.ask(client, Late("hub", node.box.saw(signer), 3 * TOGETHER_S), *node.ways))
        await until(holds(lambda: bool(again.vouched_by)))
        assert not asking.done()
        assert await asking
    assert (set(again.vouched_by), again.vouched_by[-1]) == ({"front", "quay-spare1", "hub"}, "hub")


async def test_a_new_question_is_not_held_up_by_who_is_slow(node: Node) -> None:
    signer = await sold_and_seen(node)
    again = await node.box.start()
    async with node.served(again) as client:
        slow = Late("hub", node.box.saw(signer), 10 * SOON_S)
        witnesses = Witnesses(node.box.facts, client, (slow, *node.ways))
        asking = asyncio.create_task(witnesses.ask_once())
        await until(holds(lambda: bool(again.vouched_by)))
        witnesses.ask_now()
        assert await asyncio.wait_for(asking, SOON_S)


async def test_nobody_who_saw_nothing_vouches(node: Node) -> None:
    signer = await node.box.start()
    async with node.served(signer) as client, node.telling(client):
        assert not await node.ask(client, Cut(), *node.ways)
        assert not await node.seen_by("front", signer), "a journal that nobody vouched for is told to nobody"
    assert signer.vouched_by == ()


async def test_a_witness_that_was_away_is_told_what_is_newest_then_and_holds_up_no_other(node: Node) -> None:
    node.site.stop("front")
    signer = await node.box.start()
    await node.box.vouch(signer)
    async with node.served(signer) as client, node.telling(client):
        await sold(signer, "a")
        await node.until_seen_by("quay-spare1", signer)
        await sold(signer, "b", 1)
        await node.site.start("front")
        await node.until_seen_by("front", signer)


async def test_who_knows_of_another_history_has_the_witnesses_asked_at_once(node: Node) -> None:
    copy = node.box.folder / "fork.journal"
    await sold_and_seen(node, copy)
    fork = await node.box.start(copy)
    await node.box.vouch(fork)
    async with node.served(fork) as client, node.telling(client):
        await until(holds(lambda: node.asked > 1))  # once since the signer is there, then by what the witnesses know
        assert await node.ask(client, *node.ways)
    assert (await refused(fork))[0] == "stopped"


async def test_a_signer_that_is_there_anew_has_them_asked_at_once(node: Node) -> None:
    await sold_and_seen(node)
    before, client = node.asked, SignerClient(node.box.folder / "s")
    async with node.telling(client):
        again = await node.box.start()
        async with node.served(again):
            await until(holds(lambda: node.asked > before))
