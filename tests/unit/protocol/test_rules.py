from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from node_image.protocol.rules import Claim, Result, decide
from tests.unit.protocol.world import FACTS, NOW, SEPARATOR, Grown, address, claim, grown, wallet


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
    ],
)
def test_each_claim_has_its_answer(asked: Claim, now: int, result: Result) -> None:
    decision = decide(grown().state, FACTS, SEPARATOR, asked, now)
    assert decision.result is result
    assert decision.reason or result in {Result.SIGN, Result.KNOWN}


def test_the_next_seq_is_the_lease_s_next() -> None:
    assert decide(grown().state, FACTS, SEPARATOR, claim("d", 3), NOW).seq == 2


def test_a_node_without_a_lease_is_not_ready() -> None:
    assert decide(Grown().state, FACTS, SEPARATOR, claim("d"), NOW).result is Result.NOT_READY


def test_a_spent_lease_is_sold_out() -> None:
    made = grown()
    made.claimed(claim("d", 3, tier=1), 1)
    made.batch()
    assert decide(made.state, FACTS, SEPARATOR, claim("e", 4, tier=1), NOW).result is Result.SOLD_OUT


def test_a_lease_past_its_redeem_by_signs_nothing() -> None:
    late = msgspec.structs.replace(FACTS, closes_at=NOW + 10**6)
    assert decide(grown().state, late, SEPARATOR, claim("d", 3), NOW + 5000).result is Result.CLOSED
