from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from node_image.protocol.freshness import Freshness, Verdict
from node_image.protocol.reserve import MAX_UNSEQUENCED
from node_image.protocol.rules import Claim, Decision, Result, Standing, decide, may_finish
from tests.unit.protocol.world import (
    FACTS,
    NOW,
    SEPARATOR,
    UNSEEN,
    Grown,
    address,
    at,
    claim,
    grown,
    key_claim,
    no_clock,
    wallet,
)


@pytest.mark.parametrize(
    ("asked", "now", "result"),
    [
        (claim("d", 3), NOW, Result.SIGN),
        (claim("a", 0), NOW, Result.KNOWN),
        (claim("a", 0), FACTS.closes_at, Result.KNOWN),
        (claim("a", 3), NOW, Result.CONFLICT),
        (claim("d", 3), FACTS.opens_at - 1, Result.NOT_OPEN),
        (claim("d", 3), FACTS.closes_at, Result.CLOSED),
        (claim("d", 0), NOW, Result.WALLET_CAP),
        (claim("d", 3, slot=2), NOW, Result.WALLET_CAP),
        (claim("d", 0, slot=1), NOW, Result.SIGN),
        (claim("", 3), NOW, Result.BAD_CLAIM),
        (claim("x" * 65, 3), NOW, Result.BAD_CLAIM),
        (claim("d", 3, tier=2), NOW, Result.BAD_CLAIM),
        (replace(claim("d", 3), to=address(wallet(4))), NOW, Result.BAD_CLAIM),
        (replace(claim("d", 3), to=bytes(20)), NOW, Result.BAD_CLAIM),
        (replace(claim("d", 3), signature=b""), NOW, Result.BAD_CLAIM),
        (replace(claim("d", 3), slot=1), NOW, Result.BAD_CLAIM),
        (key_claim("d", 3), NOW, Result.SIGN),
        (key_claim("d", 0), NOW, Result.SIGN),
        (key_claim("a", 0), NOW, Result.CONFLICT),
        (replace(key_claim("d", 3), slot=1), NOW, Result.BAD_CLAIM),
        (replace(key_claim("d", 3), to=address(wallet(3))), NOW, Result.BAD_CLAIM),
        (replace(key_claim("d", 3), claim_key=address(wallet(4))), NOW, Result.BAD_CLAIM),
        (replace(key_claim("d", 3), claim_key=b"short"), NOW, Result.BAD_CLAIM),
    ],
)
def test_each_claim_has_its_answer(asked: Claim, now: int, result: Result) -> None:
    decision = decide(grown().state, FACTS, SEPARATOR, asked, at(now))
    assert decision.result is result
    assert decision.reason or result in {Result.SIGN, Result.KNOWN}


def test_a_wallets_signature_is_no_claim_keys_nor_the_other_way_round() -> None:
    """Else who sees a claim pass could have it answered a second time, under another nullifier."""
    seen, keyed = claim("d", 3), key_claim("d", 3)
    turned = replace(seen, to=bytes(20), claim_key=seen.to)
    back = replace(keyed, to=keyed.claim_key, claim_key=bytes(20))
    for asked in (turned, back):
        decision = decide(grown().state, FACTS, SEPARATOR, asked, at(NOW))
        assert (decision.result, "not signed by" in decision.reason) == (Result.BAD_CLAIM, True)


def test_a_claim_key_has_one_token_whatever_the_tier() -> None:
    made = grown()
    made.claimed(key_claim("d", 3), 2)
    made.batch()
    standing = at(NOW)
    assert decide(made.state, FACTS, SEPARATOR, key_claim("d", 3), standing).result is Result.KNOWN
    assert decide(made.state, FACTS, SEPARATOR, key_claim("d", 3, tier=1), standing).result is Result.CONFLICT
    for tier in (0, 1):
        decision = decide(made.state, FACTS, SEPARATOR, key_claim("e", 3, tier=tier), standing)
        assert (decision.result, "one" in decision.reason) == (Result.WALLET_CAP, True)
    assert decide(made.state, FACTS, SEPARATOR, claim("e", 3), standing).result is Result.SIGN, "as a wallet"


def test_a_reserve_voucher_for_a_claim_key_is_exchanged_for_that_key_alone() -> None:
    made = grown()
    assert decided(made, key_claim("d", 3), no_clock(NOW)).result is Result.RESERVE
    made.reserved(key_claim("d", 3), 2)
    assert decided(made, key_claim("e", 3, tier=1), no_clock(NOW)).result is Result.WALLET_CAP
    assert decided(made, claim("d", 3), at(NOW)).result is Result.CONFLICT
    assert decided(made, key_claim("d", 4), at(NOW)).result is Result.CONFLICT
    exchanged = decided(made, key_claim("d", 3), at(NOW))
    assert (exchanged.result, exchanged.seq) == (Result.SIGN, 2)


def test_the_next_seq_is_the_lease_s_next() -> None:
    assert decide(grown().state, FACTS, SEPARATOR, claim("d", 3), at(NOW)).seq == 2


def test_a_node_without_a_lease_is_not_ready() -> None:
    assert decide(Grown().state, FACTS, SEPARATOR, claim("d"), at(NOW)).result is Result.NOT_READY


def test_a_spent_lease_is_sold_out() -> None:
    made = grown()
    made.claimed(claim("d", 3, tier=1), 1)
    made.batch()
    assert decide(made.state, FACTS, SEPARATOR, claim("e", 4, tier=1), at(NOW)).result is Result.SOLD_OUT


def test_a_lease_past_its_redeem_by_signs_nothing() -> None:
    late = msgspec.structs.replace(FACTS, closes_at=NOW + 10**6)
    assert decide(grown().state, late, SEPARATOR, claim("d", 3), at(NOW + 5000)).result is Result.CLOSED


def decided(made: Grown, asked: Claim, standing: Standing) -> Decision:
    return decide(made.state, FACTS, SEPARATOR, asked, standing)


OLDER = Verdict(Freshness.BEHIND, "an older copy", 3)


@pytest.mark.parametrize(
    ("standing", "result"),
    [
        (at(FACTS.opens_at, FACTS.closes_at - 1), Result.SIGN),
        (at(FACTS.opens_at - 1, NOW), Result.NOT_OPEN),
        (at(NOW, FACTS.closes_at), Result.CLOSED),
        (no_clock(NOW), Result.RESERVE),
        (no_clock(FACTS.opens_at - 1), Result.RESERVE),
        (no_clock(FACTS.closes_at), Result.CLOSED),
        (no_clock(NOW, waiting=True), Result.NOT_READY),
        (at(NOW, verdict=UNSEEN), Result.RESERVE),
        (at(NOW, verdict=UNSEEN, waiting=True), Result.NOT_READY),
        (at(NOW, verdict=OLDER), Result.STOPPED),
        (at(NOW, verdict=OLDER, waiting=True), Result.STOPPED),
    ],
)
def test_what_is_signed_needs_the_whole_interval_and_a_witness(standing: Standing, result: Result) -> None:
    decision = decided(grown(), claim("d", 3), standing)
    assert decision.result is result
    assert bool(decision.reason) is (result is not Result.SIGN)


def test_a_reserve_voucher_holds_a_seq_only_where_the_journal_is_surely_the_newest() -> None:
    assert decided(grown(), claim("d", 3), no_clock(NOW)).seq == 2
    assert decided(grown(), claim("d", 3), no_clock(NOW)).sure is False
    assert decided(grown(), claim("d", 3), at(NOW, verdict=UNSEEN)).seq is None
    assert decided(grown(), claim("d", 3), no_clock(NOW, UNSEEN)).seq is None


def test_reserve_vouchers_without_a_seq_are_capped_and_those_with_one_by_the_lease() -> None:
    made = grown()
    made.state.unsequenced = MAX_UNSEQUENCED
    assert decided(made, claim("d", 3), at(NOW, verdict=UNSEEN)).result is Result.NOT_READY
    made.reserved(claim("d", 3), 2)
    made.reserved(claim("e", 4), 3)
    assert decided(made, claim("f", 5), no_clock(NOW)).result is Result.SOLD_OUT
    assert decided(made, claim("f", 5), at(NOW)).result is Result.SOLD_OUT


def test_a_reserve_voucher_is_for_who_signed_and_for_a_free_slot() -> None:
    assert decided(grown(), replace(claim("d", 3), to=address(wallet(4))), no_clock(NOW)).result is Result.BAD_CLAIM
    assert decided(grown(), claim("d", 0), no_clock(NOW)).result is Result.WALLET_CAP


@pytest.mark.parametrize("seq", [2, None])
def test_a_reserve_voucher_is_exchanged_for_its_voucher_once_that_can_be_signed(seq: int | None) -> None:
    made = grown()
    made.reserved(claim("d", 3), seq)
    again = decided(made, claim("d", 3), no_clock(NOW))
    assert (again.result, again.reserve) == (Result.RESERVED, made.state.reserved["d"])
    made.claimed(claim("e", 4), 3 if seq else 2)
    made.batch()
    exchanged = decided(made, claim("d", 3), at(NOW))
    assert (exchanged.result, exchanged.seq) == (Result.SIGN, 2 if seq else 3)
    assert decided(made, claim("d", 4), at(NOW)).result is Result.CONFLICT
    assert decided(made, replace(claim("d", 3), signature=bytes(65)), at(NOW)).result is Result.BAD_CLAIM


def test_what_was_surely_claimed_in_the_window_is_exchanged_after_it_and_before_redeem_by() -> None:
    sure, unsure = grown(), grown()
    sure.reserved(claim("d", 3), 2)
    unsure.reserved(claim("d", 3), 2, sure=False)
    assert decided(sure, claim("d", 3), at(FACTS.closes_at)).result is Result.SIGN
    assert decided(unsure, claim("d", 3), at(FACTS.closes_at)).result is Result.CLOSED
    assert decided(sure, claim("d", 3), at(NOW + 5000)).result is Result.CLOSED


def test_after_a_close_out_only_what_was_answered_is_answered() -> None:
    made = grown()
    made.reserved(claim("d", 3), 2)
    made.closed()
    assert decided(made, claim("a", 0), at(NOW)).result is Result.KNOWN
    for asked in (claim("d", 3), claim("e", 4)):
        assert decided(made, asked, at(NOW)).result is Result.CLOSED


def test_a_header_that_a_crash_left_is_signed_in_time_on_the_newest_journal_and_before_a_close_out() -> None:
    made = grown()
    assert may_finish(made.state, {0, 1}, at(NOW))
    for standing in (at(NOW, verdict=UNSEEN), no_clock(NOW), at(NOW + 5000), at(NOW - 200)):
        assert not may_finish(made.state, {0, 1}, standing)
    made.closed()
    assert not may_finish(made.state, {0, 1}, at(NOW))


def test_a_closed_grant_says_closed_only_of_what_another_may_sign() -> None:
    made = grown()
    made.closed()
    answers = {
        (claim("a", 0), Result.KNOWN),
        (claim("a", 3), Result.CONFLICT),
        (claim("other", 0), Result.WALLET_CAP),
        (claim("d", 3), Result.CLOSED),
        (claim("d", 3, tier=2), Result.CLOSED),
    }
    for asked, result in answers:
        assert decide(made.state, FACTS, SEPARATOR, asked, at(NOW)).result is result, asked
