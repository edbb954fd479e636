"""Who may tell a site's witness of which journal, and what it says to whom."""

from __future__ import annotations

import os

import pytest

from node_image.bus.ways import SiteWay
from node_image.protocol import witness
from node_image.protocol.eip712 import grant_id
from node_image.protocol.witness import Mark, Statement
from node_image.signer.client import SignerAway, SignerRefused
from tests.unit.witness.site import DROP, Site

NONCE = b"\2" * 32
NODE, PEER = "quay-appliance1", "quay-spare1"
GRANT = grant_id(DROP, NODE, 1)


def mark(frames: int, head: int = 1) -> Mark:
    return Mark(frames, 2, bytes([head]) * 32)


def way(site: Site, node: str = NODE, drop: str = DROP, epoch: int = 1) -> SiteWay:
    """To the front's, with the certificate of this node."""
    return SiteWay("front", site.places["front"], epoch, site.tls(node, drop))


async def said(site: Site, asker: SiteWay, grant: bytes = GRANT) -> Statement:
    """What the front's witness signs."""
    answer = await asker.ask(witness.ask(grant, NONCE))
    return witness.verify(answer, site.public["front"].encode(), grant, NONCE)


async def test_it_says_what_it_was_told_to_any_node_of_the_drop_and_tells_no_time(site: Site) -> None:
    await site.start("front")
    assert await way(site).tell(mark(9))
    for asker in (way(site), way(site, PEER)):
        told = await said(site, asker)
        assert (told.witness, told.journal_seq, told.next_batch, told.head) == ("front", 9, 2, "0x" + "01" * 32)
        assert told.at_ms == 0


async def test_of_what_it_was_not_told_it_says_nothing(site: Site) -> None:
    await site.start("front")
    refused = witness.refusal(await way(site).ask(witness.ask(GRANT, NONCE)))
    assert refused is not None
    assert refused.code == "unknown", "a statement of no frames would vouch for any copy"
    with pytest.raises(SignerRefused, match="no frame at all"):
        await way(site).tell(Mark(0, 0, bytes(32)))
    refused = witness.refusal(await way(site).ask(b"{}"))
    assert refused is not None
    assert refused.code == "bad_question"


async def test_a_node_tells_of_its_own_journals_alone(site: Site) -> None:
    await site.start("front")
    await way(site).tell(mark(9))
    await way(site, PEER).tell(mark(1000))
    await way(site, epoch=2).tell(mark(3))
    assert (await said(site, way(site))).journal_seq == 9
    assert (await said(site, way(site), grant_id(DROP, PEER, 1))).journal_seq == 1000
    assert (await said(site, way(site), grant_id(DROP, NODE, 2))).journal_seq == 3


async def test_less_or_another_history_changes_nothing_and_is_told(site: Site) -> None:
    await site.start("front")
    assert await way(site).tell(mark(9))
    assert await way(site).tell(mark(9))
    assert not await way(site).tell(mark(8))
    assert not await way(site).tell(mark(9, head=2))
    assert (await said(site, way(site))).head == "0x" + "01" * 32


async def test_a_node_of_another_drop_is_a_stranger(site: Site) -> None:
    await site.start("front")
    await way(site).tell(mark(9))
    other = way(site, drop="other")
    with pytest.raises(SignerRefused, match="harbour-lights") as no:
        await other.tell(mark(10))
    assert no.value.code == "stranger"
    with pytest.raises(SignerRefused):
        await other.ask(witness.ask(GRANT, NONCE))


@pytest.mark.parametrize("epoch", [0, 1001])
async def test_a_node_fills_no_disk_with_epochs(site: Site, epoch: int) -> None:
    await site.start("front")
    with pytest.raises(SignerRefused, match="not understood"):
        await way(site, epoch=epoch).tell(mark(9))


async def test_what_it_was_told_outlives_it(site: Site) -> None:
    await site.start("front")
    asker = way(site)
    await asker.tell(mark(9))
    site.stop("front")
    with pytest.raises(SignerAway):
        await asker.ask(witness.ask(GRANT, NONCE))
    await site.start("front")
    assert (await said(site, asker)).journal_seq == 9


async def test_a_disk_that_takes_nothing_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(28, "No space left on device")

    await site.start("front")
    told = way(site)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(SignerRefused, match="No space left"):
        await told.tell(mark(9))
