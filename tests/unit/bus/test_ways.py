"""A witness at the site that falls silent without a word is dialled anew."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from node_image.bus.ways import SiteWay
from node_image.peers import Answer, Peer, serve_peers, server_context
from node_image.protocol.witness import Mark
from node_image.signer.client import SignerAway
from tests.unit.witness.site import DROP, HOST, Site


async def test_after_no_answer_it_is_dialled_anew(site: Site) -> None:
    await site.start("front")  # for its files
    keys, peers = site.folder / "keys", list[Peer]()

    async def answers(silent: asyncio.Event, peer: Peer, _request: Answer) -> Answer:
        peers.append(peer)
        if len(peers) == 1:
            await silent.wait()
        return {"ok": {"kept": True}}

    context = server_context(keys / f"witness-tls.{DROP}.front.{HOST}.pem", keys / "authority.pem")
    server = await serve_peers(HOST, 0, context, partial(answers, asyncio.Event()))
    way = SiteWay("front", f"{HOST}:{server.sockets[0].getsockname()[1]}", 1, site.tls())
    way._client._answer_s = 0.1
    mark = Mark(1, 0, bytes(32))
    with pytest.raises(SignerAway):
        await way.tell(mark)
    assert way._client._writer is not None
    assert way._client._writer.is_closing()
    way._client._answer_s = 10.0
    assert await way.tell(mark)
    assert peers == [Peer(DROP, "quay-appliance1")] * 2
    server.close()
    server.abort_clients()
