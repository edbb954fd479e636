"""Rules of the protocol broken one at a time: each must be found by tests/property/test_whole_protocol.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from node_image.protocol import freshness, journal, rules, timing
from node_image.protocol.freshness import Freshness, Verdict
from node_image.protocol.journal import JournalState
from tests.property.model import Answer, Chain, Node, batches_of

type Plant = pytest.MonkeyPatch


def floor_ignored(plant: Plant) -> None:
    """A source may take the clock back below the persisted floor."""
    take = timing.Clock.take
    plant.setattr(timing.Clock, "take", lambda self, told: take(replace(self, floor_ms=0, anchor=None), told))


def clock_floor_poisoned(plant: Plant) -> None:
    """One source alone may jump."""
    plant.setattr(timing, "JUMP_MS", 10**12)


def open_end_taken_for_now(plant: Plant) -> None:
    """After a reboot with no source the persisted floor is taken for the time."""
    at = timing.Clock.at

    def closed(self: timing.Clock, boot: timing.Boot) -> timing.Interval:
        found = at(self, boot)
        return timing.Interval(found.lo, found.lo if found.hi is None and found.lo else found.hi)

    plant.setattr(timing.Clock, "at", closed)


def reserve_not_counted(plant: Plant) -> None:
    """A reserve voucher's seq is given again."""
    take = JournalState._take_reserve

    def without(self: JournalState, told: Any) -> None:
        take(self, told)
        if told.seq is not None:
            self.next_seq[told.tier] = told.seq
            self.held.clear()

    plant.setattr(JournalState, "_take_reserve", without)


def reserve_with_a_seq_and_no_witness(plant: Plant) -> None:
    """A journal that may be an older copy reserves a token."""
    reserve = rules._reserve

    def with_seq(state: JournalState, claim: rules.Claim, standing: rules.Standing) -> rules.Decision:
        return structs.replace(reserve(state, claim, standing), seq=state.next_seq[claim.tier])

    plant.setattr(rules, "_reserve", with_seq)


def close_out_not_terminal(plant: Plant) -> None:
    """After a close-out the signer goes on."""

    def forget(self: JournalState, _told: Any) -> None:
        self.closed = None

    plant.setattr(JournalState, "_take_close", forget)


def close_out_forgotten_at_a_restart(plant: Plant) -> None:
    """The close-out holds in memory alone."""
    replayed = journal.replay

    def forgetful(frames: Any) -> JournalState:
        state = replayed(frames)
        state.closed = None
        return state

    plant.setattr(journal, "replay", forgetful)


def close_out_counts_what_was_signed_alone(plant: Plant) -> None:
    """Reserved seqs are given back as if nobody held them."""

    def signed(self: JournalState, tiers: int) -> tuple[int, ...]:
        seqs = [one.seq + 1 for batch in batches_of(self) for one in batch.claims]
        return (max(seqs, default=0),) * tiers

    plant.setattr(JournalState, "high_seqs", signed)


def close_out_below_the_checkpoint(plant: Plant) -> None:
    """The chain takes any high seq, and a node that lies names a low one."""
    plant.setattr(Chain, "below", lambda *_: False)
    plant.setattr(JournalState, "high_seqs", lambda _self, tiers: (0,) * tiers)


def restored_clone_without_a_witness(plant: Plant) -> None:
    """A start needs nobody's word."""
    plant.setattr(rules.Standing, "fresh", property(lambda _self: True))


def restored_clone_with_a_witness(plant: Plant) -> None:
    """What a witness says is not looked at."""
    plant.setattr(freshness, "judge", lambda *_: Verdict(Freshness.FRESH))


def witness_of_other_history_believed(plant: Plant) -> None:
    """Only the count is looked at, never the head."""
    judge = freshness.judge

    def by_count(frames: int, head_after: Any, witnesses: Any) -> Verdict:
        found = judge(frames, head_after, witnesses)
        return Verdict(Freshness.FRESH) if found.freshness is not Freshness.NO_WITNESS else found

    plant.setattr(freshness, "judge", by_count)


def lease_used_before_finality(plant: Plant) -> None:
    """A node signs from an opening that a reorg can take back."""
    plant.setattr(Chain, "told", lambda self: self.grants | self.pending)


def overlapping_lease(plant: Plant) -> None:
    """The chain opens a range that is somebody's."""
    plant.setattr(Chain, "overlaps", lambda *_: False)


def quota_race(plant: Plant) -> None:
    """Claims of a group are decided on the same state, and the fold looks at no seq."""
    claims = Node.claim

    def raced(self: Node, asked: list[rules.Claim], *, dies: str = "") -> None:
        before = {one.claim_id: self.decide(one) for one in asked}
        with plant.context() as inner:
            inner.setattr(self.__class__, "decide", lambda _self, one: before.get(one.claim_id) or rules.Decision)
            inner.setattr(JournalState, "_take_claim", unchecked)
            claims(self, asked, dies=dies)

    def unchecked(self: JournalState, told: Any) -> None:
        record = journal.ClaimRecord(
            told.claim_id,
            told.tier,
            told.seq,
            told.to,
            told.slot,
            told.signature,
            self.next_batch,
            len(self.waiting),
            0,
            told.claim_key,
        )
        self.waiting.append(record)
        self.claims[told.claim_id] = record
        self.next_seq[told.tier] = told.seq + 1

    plant.setattr(Node, "claim", raced)


def signed_before_persisted(plant: Plant) -> None:
    """The HSM is asked before the header is durable."""
    plant.setattr(Node, "persist", lambda _self: None)


def claims_forgotten_at_a_restart(plant: Plant) -> None:
    """After a restart the last seq is given again."""
    replayed = journal.replay

    def forgetful(frames: Any) -> JournalState:
        state = replayed(frames)
        state.next_seq = {tier: max(0, seq - 1) for tier, seq in state.next_seq.items()}
        return state

    plant.setattr(journal, "replay", forgetful)


def issued_at_not_held_to_the_floor(plant: Plant) -> None:
    """The machine's own clock, an hour behind, stands in the batch."""
    header = Node.header

    def earlier(self: Node) -> int:
        with plant.context() as inner:
            inner.setattr("tests.property.model.decision_time", lambda node: node.standing().time.lo - 3_600)
            return header(self)

    plant.setattr(Node, "header", earlier)


def nullifier_not_bound_to_the_buyer(plant: Plant) -> None:
    """What redeems once is the voucher, so that a claim answered by two nodes redeems twice."""
    plant.setattr(Chain, "key_of", lambda _self, answer: answer.leaf.struct_hash())


def unproven_accepted_after_freeze(plant: Plant) -> None:
    """A frozen grant's vouchers redeem as if nothing were."""
    plant.setattr(Chain, "proven", lambda *_: True)


def issued_at_believed_after_freeze(plant: Plant) -> None:
    """A batch that says it is old enough counts as proven: whoever holds the key can say so."""
    proven = Chain.proven

    def believed(self: Chain, grant: Any, answer: Answer) -> bool:
        return proven(self, grant, answer) or answer.batch.issued_at < 2**40

    plant.setattr(Chain, "proven", believed)


def root_replaced_instead_of_added(plant: Plant) -> None:
    """The newest checkpoint forgets those before it."""

    def replace_roots(_self: Chain, grant: Any, digests: set[bytes]) -> None:
        grant.roots = digests or grant.roots

    plant.setattr(Chain, "add_roots", replace_roots)


def only_the_current_epoch_redeems(plant: Plant) -> None:
    """A rotation voids what was sold before it."""
    plant.setattr(Chain, "epoch_counts", lambda self, grant: grant.epoch == max(g.epoch for g in self.grants.values()))


def redeemed_after_redeem_by(plant: Plant) -> None:
    """The chain looks at no clock."""
    plant.setattr(Chain, "in_time", lambda *_: True)


def shares_rounded_down_for_all(plant: Plant) -> None:
    """The last creator does not get the rest."""
    plant.setattr(Chain, "parts", lambda self, due: [*due[:-1], self.takings * 6667 // 10_000])


ALL: tuple[Callable[[Plant], None], ...] = (
    floor_ignored,
    clock_floor_poisoned,
    open_end_taken_for_now,
    reserve_not_counted,
    reserve_with_a_seq_and_no_witness,
    close_out_not_terminal,
    close_out_forgotten_at_a_restart,
    close_out_counts_what_was_signed_alone,
    close_out_below_the_checkpoint,
    restored_clone_without_a_witness,
    restored_clone_with_a_witness,
    witness_of_other_history_believed,
    lease_used_before_finality,
    overlapping_lease,
    quota_race,
    signed_before_persisted,
    claims_forgotten_at_a_restart,
    issued_at_not_held_to_the_floor,
    nullifier_not_bound_to_the_buyer,
    unproven_accepted_after_freeze,
    issued_at_believed_after_freeze,
    root_replaced_instead_of_added,
    only_the_current_epoch_redeems,
    redeemed_after_redeem_by,
    shares_rounded_down_for_all,
)
BREAKS: dict[str, Callable[[Plant], None]] = {one.__name__: one for one in ALL}
