"""What can't be signed now is reserved, by the node's own key, in the journal first; later it becomes its token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest

from node_image.protocol import reserve
from node_image.protocol.hexes import unhex
from node_image.protocol.journal import Kind
from node_image.protocol.reserve import ReserveVoucher
from node_image.protocol.voucher import Voucher
from node_image.signer.core import Refused, Signer
from node_image.signer.outlook import WAIT_MS
from node_image.signer.reserves import AT_ONCE
from node_image.signer.status import status
from tests.unit.protocol.world import SEPARATOR, address, claim, wallet
from tests.unit.signer.box import Box, said, sold


async def cut_off(box: Box) -> Signer:
    """Just started, no witness in sight, and long enough so."""
    signer = await box.start()
    box.now_ms += WAIT_MS
    return signer


async def without_time(box: Box) -> Signer:
    """Vouched for by a peer after a reboot: it knows its journal, and not the time."""
    await box.vouch(await box.start())
    box.reboot()
    box.facts = msgspec.structs.replace(box.facts, witnesses=box.witness_that_tells_no_time().public)
    signer = await box.start()
    await box.vouch(signer, box.witness_that_tells_no_time())
    box.now_ms += WAIT_MS
    return signer


async def reserved(signer: Signer, name: str, buyer: int = 0) -> ReserveVoucher:
    """A claim's reserve voucher, which the node's enrolment key signed."""
    (found,) = await said(signer, claim(name, buyer))
    assert isinstance(found, ReserveVoucher), found
    reserve.verify(found, SEPARATOR, signer.reserves.address)
    return found


async def test_with_no_witness_a_reserve_voucher_holds_no_token_and_says_so(box: Box) -> None:
    signer = await cut_off(box)
    before = len(box.kinds)
    found = await reserved(signer, "a")
    assert (found.seq, found.to, found.node_key) == (None, "0x" + address(wallet(0)).hex(), status(signer)["enrolment"])
    assert "no witness" in found.reason
    assert box.kinds[before:] == [Kind.RESERVE]
    assert (await reserved(signer, "a")).claim_id == "a"
    assert len(box.kinds) == before + 1, "asked again it is the same one"
    assert signer.tail(0, 100) == []


async def test_with_no_time_it_holds_the_next_token_and_is_exchanged_for_that_one(box: Box) -> None:
    signer = await without_time(box)
    first, second = await reserved(signer, "a"), await reserved(signer, "b", 1)
    assert (first.seq, second.seq) == (0, 1)
    assert signer.durable == signer.state.journal_seq, "it is durable before it is handed out"
    box.facts = msgspec.structs.replace(box.facts, witnesses=box.witness.public)
    again = await box.start()
    await box.vouch(again, box.saw(signer))
    assert (await sold(again, "c", 2)).voucher.seq == 2
    assert (await sold(again, "b", 1)).voucher.seq == 1
    exchanged = await sold(again, "a")
    assert (exchanged.voucher.seq, exchanged.claim_id) == (0, "a")
    assert again.state.reserved == {}


async def test_one_without_a_token_is_exchanged_for_the_next(box: Box) -> None:
    signer = await cut_off(box)
    await reserved(signer, "a")
    await box.vouch(signer)
    assert (await sold(signer, "b", 1)).voucher.seq == 0
    assert (await sold(signer, "a")).voucher.seq == 1


async def test_a_wallet_that_did_not_sign_gets_none(box: Box) -> None:
    signer = await cut_off(box)
    asked = claim("a")
    forged = type(asked)(asked.claim_id, asked.tier, asked.to, asked.slot, bytes(65))
    (found,) = await said(signer, forged)
    assert isinstance(found, Refused)
    assert found.code == "bad_claim"
    assert Kind.RESERVE not in box.kinds


async def test_a_crowd_is_told_a_few_at_a_time_and_none_is_lost(box: Box) -> None:
    signer = await cut_off(box)
    asked = [claim(f"c{number}", number) for number in range(AT_ONCE + 3)]
    told = await said(signer, *asked)
    assert [isinstance(one, ReserveVoucher) for one in told] == [True] * AT_ONCE + [False] * 3
    left = await said(signer, *asked[AT_ONCE:])
    assert all(isinstance(one, ReserveVoucher) for one in left)
    assert box.kinds.count(Kind.RESERVE) == len(asked)


@pytest.mark.parametrize("way", [cut_off, without_time])
async def test_it_is_found_again_by_its_claim_until_it_is_a_voucher(
    box: Box, way: Callable[[Box], Awaitable[Signer]]
) -> None:
    signer = await way(box)
    assert await signer.find_reserved("a") is None
    given = await reserved(signer, "a")
    found = await signer.find_reserved("a")
    assert found is not None
    assert msgspec.structs.replace(found, signature=given.signature) == given
    reserve.verify(found, SEPARATOR, signer.reserves.address)
    box.facts = msgspec.structs.replace(box.facts, witnesses=box.witness.public)
    again = await box.start()
    await box.vouch(again)
    waits = await again.find_reserved("a")
    assert waits is not None
    assert "send the claim again" in waits.reason
    await sold(again, "a")
    assert await again.find_reserved("a") is None
    assert again.find("a").claim_id == "a"


async def test_none_is_found_on_an_older_copy(box: Box) -> None:
    signer = await cut_off(box)
    await reserved(signer, "a")
    await box.vouch(signer, replace(box.witness, frames=signer.state.journal_seq + 1, head=bytes(32)))
    with pytest.raises(Refused, match="older copy"):
        await signer.find_reserved("a")


@pytest.mark.parametrize("way", [cut_off, without_time])
async def test_what_was_sold_before_is_answered_as_ever(box: Box, way: Callable[[Box], Awaitable[Signer]]) -> None:
    first = await box.start()
    await box.vouch(first)
    voucher = await sold(first, "a")
    signer = await way(box)
    (found,) = await said(signer, claim("a"))
    assert isinstance(found, Voucher)
    assert found == voucher
    assert unhex(status(signer)["enrolment"]) == signer.reserves.address
