"""Rules and journal against their promises: no token twice, never over the quota, nothing bent unseen."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from node_image.protocol import eip712, journal, merkle, rules
from node_image.protocol.errors import JournalDamaged
from node_image.protocol.facts import DropFacts, TierFacts
from node_image.protocol.journal import JournalState, Kind
from node_image.protocol.lease import Lease
from node_image.protocol.rules import Claim, Decision, Result
from node_image.protocol.signature import address_of
from tests.unit.protocol.world import at

WALLETS = [PrivateKey(bytes([number]) * 32) for number in range(1, 5)]
CAP, QUOTA = 2, 5
TIERS = (TierFacts(0, "a", "A", 0, CAP, 0), TierFacts(1, "b", "B", 0, CAP, 2))
FACTS = DropFacts(1, "d", "D", 1, "0x" + "11" * 20, "0x", "", "n", "g", 1, "0x" + "22" * 32, 100, 200, 300, TIERS)
SEPARATOR = FACTS.domain().separator


@cache
def claim(wallet: int, tier: int, slot: int, number: int, by_key: bool = False) -> Claim:
    """A claim that its wallet, or its claim key, signed."""
    claim_id = f"{number}"
    hashed = eip712.claim_hash(claim_id)
    struct = eip712.claim_struct_hash("d", tier, slot, hashed)
    if by_key:
        struct = eip712.key_claim_struct_hash("d", tier, hashed)
    raw = WALLETS[wallet].sign_recoverable(eip712.digest(SEPARATOR, struct), hasher=None)
    to = address_of(WALLETS[wallet].public_key.format(compressed=False))
    made = Claim(claim_id, tier, to, slot, raw[:64] + bytes([27 + raw[64]]))
    return replace(made, to=bytes(20), claim_key=to) if by_key else made


def fresh() -> JournalState:
    """A grant with a lease in both tiers."""
    state = JournalState()
    leases = [
        {"tier": tier, "start": 10 * tier, "quota": QUOTA, "not_before": 100, "redeem_by": 300} for tier in (0, 1)
    ]
    told = {"document": {"leases": leases}, "envelope": b""}
    state.apply(journal.encode(Kind.GRANT, 0, {"grant_id": bytes(32), "key": bytes(20)}, state.head))
    state.apply(journal.encode(Kind.LEASE, 1, told, state.head))
    return state


def take(state: JournalState, asked: Claim, decision: Decision) -> None:
    """Persist as the signer does."""
    told = {"claim_id": asked.claim_id, "tier": asked.tier, "seq": decision.seq, "to": asked.to, "slot": asked.slot}
    told |= {"signature": asked.signature, "claim_key": asked.claim_key}
    frame = journal.encode(Kind.CLAIM, state.journal_seq, told, state.head)
    state.apply(frame)


CLAIMS = st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 3), st.integers(0, 30), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(CLAIMS, max_size=40), st.integers(90, 310))
def test_whatever_is_asked_no_token_twice_and_never_over_quota_cap_or_time(
    asked: list[tuple[int, int, int, int, bool]], now: int
) -> None:
    state = fresh()
    tokens: set[tuple[int, int]] = set()
    spent: set[object] = set()
    for wallet, tier, slot, number, by_key in asked:
        one = claim(wallet, tier, slot, number, by_key)
        once = one.claim_key if by_key else (tier, one.to, slot)
        decision = rules.decide(state, FACTS, SEPARATOR, one, at(now))
        if decision.result is Result.SIGN:
            assert 100 <= now < 200
            assert decision.seq is not None
            assert 0 <= decision.seq < QUOTA
            assert slot < (1 if by_key else CAP)
            assert (tier, decision.seq) not in tokens
            assert once not in spent
            tokens.add((tier, decision.seq))
            spent.add(once)
            take(state, one, decision)
        elif decision.result is Result.KNOWN:
            assert decision.known == state.claims[one.claim_id]


def test_a_claim_signed_by_another_wallet_is_refused() -> None:
    good, other = claim(0, 0, 0, 1), claim(1, 0, 0, 1)
    stolen = Claim(good.claim_id, 0, good.to, 0, other.signature)
    assert rules.decide(fresh(), FACTS, SEPARATOR, stolen, at(150)).result is Result.BAD_CLAIM


def test_before_any_lease_nothing_is_signed() -> None:
    assert rules.decide(JournalState(), FACTS, SEPARATOR, claim(0, 0, 0, 1), at(150)).result is Result.NOT_READY


def test_a_lease_ends_before_the_window_does() -> None:
    state = fresh()
    state.leases[0] = Lease(0, 0, QUOTA, 100, 150)
    assert rules.decide(state, FACTS, SEPARATOR, claim(0, 0, 0, 1), at(150)).result is Result.CLOSED


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_every_leaf_climbs_to_the_root_and_no_other_does(leaves: list[bytes]) -> None:
    levels = merkle.tree(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle.proof(levels, index)
        assert merkle.climb(leaf, proof) == levels[-1][0]
        assert merkle.climb(eip712.keccak(leaf), proof) != levels[-1][0]


@cache
def sample() -> bytes:
    """A journal of a dozen frames."""
    data, head = b"", journal.NO_HEAD
    for seq in range(12):
        frame = journal.encode(Kind.SIGNATURE, seq, {"batch_seq": seq, "signature": bytes(65)}, head)
        data, head = data + frame.raw, frame.head
    return data


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(sample()) - 1), st.integers(1, 255))
def test_a_journal_bent_at_any_byte_is_found(place: int, flip: int) -> None:
    bent = bytearray(sample())
    bent[place] ^= flip
    with pytest.raises(JournalDamaged):
        journal.scan(bytes(bent))


@given(st.integers(0, len(sample())))
def test_a_journal_cut_anywhere_gives_its_whole_frames(length: int) -> None:
    found = journal.scan(sample()[:length])
    assert found.good_length + found.torn == length
    assert found.frames == journal.scan(sample()).frames[: len(found.frames)]


def test_two_frames_swapped_are_found() -> None:
    frames = [frame.raw for _, frame in journal.decode(sample())]
    frames[3], frames[4] = frames[4], frames[3]
    with pytest.raises(JournalDamaged):
        journal.scan(b"".join(frames))
