"""Claims by claim key at a signer: the voucher names the key, and the key names its receiver once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from node_image.protocol import frames, reserve, voucher
from node_image.protocol.hexes import unhex
from node_image.protocol.journal import Kind
from node_image.protocol.reserve import ReserveVoucher
from node_image.protocol.voucher import Voucher
from node_image.signer.client import SignerClient, SignerRefused
from node_image.signer.core import Refused, Signer
from node_image.signer.outlook import WAIT_MS
from node_image.signer.server import SocketServer
from tests.unit.protocol.world import NOW, SEPARATOR, address, key_claim, receive, wallet
from tests.unit.signer.box import Box, said, sold

RECEIVER, OTHER = b"\x0b" * 20, b"\x0c" * 20


async def keyed(signer: Signer, name: str, key: int = 0, tier: int = 0) -> Voucher:
    """A claim key's voucher."""
    (found,) = await said(signer, key_claim(name, key, tier))
    assert isinstance(found, Voucher), found
    return found


async def code(asked: Awaitable[None]) -> str:
    """Of a no."""
    with pytest.raises(Refused) as no:
        await asked
    return no.value.code


def leaf(made: Voucher) -> bytes:
    return voucher.leaf_of(made.voucher).struct_hash()


async def test_a_voucher_names_the_key_and_no_wallet_also_after_a_restart(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    made, other = await keyed(signer, "a"), await sold(signer, "b")
    assert (made.voucher.to, made.voucher.claim_key) == ("0x" + "00" * 20, "0x" + address(wallet(0)).hex())
    assert (other.voucher.claim_key, other.voucher.slot) == ("0x" + "00" * 20, 0)
    voucher.verify(made, "0x" + signer.address.hex())
    again = await box.start()
    await box.vouch(again, box.saw(signer))
    assert await keyed(again, "a") == made
    (no,) = await said(again, key_claim("c", 0, tier=1))
    assert isinstance(no, Refused)
    assert no.code == "wallet_cap"


async def test_a_reserve_voucher_names_the_key_too_and_becomes_its_voucher(box: Box) -> None:
    signer = await box.start()
    box.now_ms += WAIT_MS
    (found,) = await said(signer, key_claim("a"))
    assert isinstance(found, ReserveVoucher)
    assert (unhex(found.to), unhex(found.claim_key)) == (bytes(20), address(wallet(0)))
    reserve.verify(found, SEPARATOR, signer.reserves.address)
    await box.vouch(signer)
    assert (await keyed(signer, "a")).voucher.claim_key == found.claim_key


async def test_the_key_names_its_receiver_once_and_the_journal_keeps_it(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    made = await keyed(signer, "a")
    word = receive(leaf(made), RECEIVER)
    await signer.receive("a", RECEIVER, word)
    assert (box.kinds[-1], signer.durable) == (Kind.RECEIVE, signer.state.journal_seq)
    await signer.receive("a", RECEIVER, word)
    assert box.kinds.count(Kind.RECEIVE) == 1
    assert await code(signer.receive("a", OTHER, receive(leaf(made), OTHER))) == "conflict"
    again = await box.start()
    await box.vouch(again, box.saw(signer))
    assert again.state.receivers == {"a": RECEIVER}


async def test_nobody_but_the_key_names_a_receiver_and_only_of_its_own_voucher(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    made, other, bought = await keyed(signer, "a"), await keyed(signer, "b", 1), await sold(signer, "c", 2)
    before = signer.state.journal_seq
    refused = {
        "another key": ("a", RECEIVER, receive(leaf(made), RECEIVER, 1)),
        "another receiver": ("a", OTHER, receive(leaf(made), RECEIVER)),
        "another voucher": ("a", RECEIVER, receive(leaf(other), RECEIVER)),
        "nobody": ("a", bytes(20), receive(leaf(made), bytes(20))),
        "no address": ("a", b"\1", receive(leaf(made), b"\1")),
        "no signature": ("a", RECEIVER, b""),
        "a wallet's": ("c", RECEIVER, receive(leaf(bought), RECEIVER, 2)),
    }
    for what, told in refused.items():
        assert await code(signer.receive(*told)) == "bad_claim", what
    assert await code(signer.receive("nobody", RECEIVER, b"")) == "not_found"
    assert signer.state.journal_seq == before


async def test_a_journal_that_may_be_an_older_copy_or_is_closed_takes_no_receiver(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    word = receive(leaf(await keyed(signer, "a")), RECEIVER)
    again = await box.start()
    assert await code(again.receive("a", RECEIVER, word)) == "not_ready"
    signer._append(Kind.CLOSE, frames.Close(signer.state.high_seqs(2), NOW))
    assert await code(signer.receive("a", RECEIVER, word)) == "closed"


async def test_both_go_over_the_socket(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    server, running = await SocketServer(signer).serve(box.folder / "s"), asyncio.create_task(signer.run())
    client, asked = SignerClient(box.folder / "s"), key_claim("a")
    fields = {"claim_id": "a", "tier": 0, "to": asked.to, "slot": 0, "signature": asked.signature}
    with pytest.raises(SignerRefused, match="exactly one"):
        await client.ask("claim", **fields)
    told = await client.ask("claim", **fields, claim_key=asked.claim_key)
    word = receive(unhex(told["voucher"]["batch"]["root"]), RECEIVER)
    assert await client.ask("receive", claim_id="a", receiver=RECEIVER, signature=word) == {"receiver": RECEIVER}
    with pytest.raises(SignerRefused, match="receiver is missing"):
        await client.ask("receive", claim_id="a", signature=word)
    running.cancel()
    server.close()
