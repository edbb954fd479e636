"""Whether a claim may be signed: one pure decision over what the journal holds and how the signer stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from node_image.protocol import frames
from node_image.protocol.claim import Claim, not_the_wallets
from node_image.protocol.eip712 import ZERO_ADDRESS
from node_image.protocol.facts import DropFacts
from node_image.protocol.freshness import Freshness, Verdict
from node_image.protocol.journal import ClaimRecord, JournalState, nullifier, who
from node_image.protocol.reserve import MAX_UNSEQUENCED
from node_image.protocol.timing import Interval

__all__ = ["Claim", "Decision", "Result", "Standing", "decide", "may_finish", "not_the_wallets", "preview"]

MAX_CLAIM_ID = 64


class Result(StrEnum):
    """Every answer there is; all but the first four are error codes of the signer's socket."""

    SIGN = "sign"
    KNOWN = "known"  # answered before: the same voucher again
    RESERVE = "reserve"  # it can't be signed now: a reserve voucher
    RESERVED = "reserved"  # the same reserve voucher again
    NOT_READY = "not_ready"
    NOT_OPEN = "not_open"
    CLOSED = "closed"
    SOLD_OUT = "sold_out"
    WALLET_CAP = "wallet_cap"
    BAD_CLAIM = "bad_claim"
    CONFLICT = "conflict"
    QUOTA = "quota"  # of the HSM: no rule of the claim's, the signer finds it
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the signer stands; found once a batch.

    `waiting`: it has just started and asks for witness and time; who claims meanwhile is told to ask again.
    """

    time: Interval
    verdict: Verdict
    waiting: bool = False

    @property
    def fresh(self) -> bool:
        """A witness said that the journal is the newest."""
        return self.verdict.freshness is Freshness.FRESH

    @property
    def unable(self) -> str:
        """Why nothing can be signed now; empty when it can."""
        if not self.fresh:
            return self.verdict.reason
        return "" if self.time.hi is not None else "no source has told the time since this machine started"


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The result with its reason in words.

    `seq` is set for SIGN, and for RESERVE where the reserve voucher holds one; `known` for KNOWN, `reserve` for
    RESERVED; `sure` for RESERVE: the time lies within the window for certain.
    """

    result: Result
    reason: str = ""
    seq: int | None = None
    known: ClaimRecord | None = None
    reserve: frames.Reserve | None = None
    sure: bool = True


def decide(
    state: JournalState,
    facts: DropFacts,
    separator: bytes,
    claim: Claim,
    standing: Standing,
    wrong: str | None = None,
) -> Decision:
    """Sign this claim, and with which seq? The first rule that refuses is the reason.

    `wrong` is what `not_the_wallets` said of the claim, where it was asked ahead: it takes most of the time.
    """
    found = preview(state, facts, claim, standing)
    if found.result is Result.SIGN or found.result is Result.RESERVE:
        wrong = not_the_wallets(facts.drop, separator, claim) if wrong is None else wrong
        return Decision(Result.BAD_CLAIM, wrong) if wrong else found
    return found


def preview(state: JournalState, facts: DropFacts, claim: Claim, standing: Standing) -> Decision:
    """All rules but the wallet's signature: what they refuse needs no recovery, what they let pass is not yet good."""
    if earlier := state.claims.get(claim.claim_id):
        return _again(earlier, claim)
    if state.closed:
        return _closed(state, facts, claim)
    if (refusal := _standing(state, standing)) is not None:
        return refusal
    if wrong := _malformed(facts, claim):
        return Decision(Result.BAD_CLAIM, wrong)
    if held := state.reserved.get(claim.claim_id):
        return _exchange(state, facts, held, claim, standing)
    return _time(facts, standing) or _supply(state, facts, claim, standing)


def may_finish(state: JournalState, tiers: Iterable[int], standing: Standing) -> bool:
    """Whether a header that a crash left without its signature may be signed now; `tiers` are its claims'.

    A journal that may be an older copy can hold a header that was never durable elsewhere; and what was in time when it
    was written may be late now.
    """
    if standing.unable or state.closed:
        return False
    leases = [state.leases[tier] for tier in tiers]
    time = standing.time
    return all(time.surely_from(lease.not_before) and time.surely_before(lease.redeem_by) for lease in leases)


def _again(earlier: ClaimRecord, claim: Claim) -> Decision:
    if who(earlier) == who(claim):
        return Decision(Result.KNOWN, known=earlier)
    return Decision(Result.CONFLICT, "this claim_id was used for another claim")


def _closed(state: JournalState, facts: DropFacts, claim: Claim) -> Decision:
    """Its word on what it gave holds on, so that the node's next epoch gives no wallet the same again.

    A reserve voucher of it is free to be exchanged from there.
    """
    if nullifier(claim) in state.nullifiers:
        return _capped(facts, claim)
    return Decision(Result.CLOSED, "this node's grant is closed out")


def _standing(state: JournalState, standing: Standing) -> Decision | None:
    """What ends all selling: a journal that isn't the newest, a start that isn't finished."""
    if standing.verdict.final:
        return Decision(Result.STOPPED, standing.verdict.reason)
    if not state.leases:
        return Decision(Result.NOT_READY, "this node holds no lease yet")
    if standing.waiting and standing.unable:
        return Decision(Result.NOT_READY, standing.unable)
    return None


def _malformed(facts: DropFacts, claim: Claim) -> str:
    if not 0 < len(claim.claim_id) <= MAX_CLAIM_ID:
        return f"claim_id has 1 to {MAX_CLAIM_ID} characters"
    if wrong := _nobody(claim):
        return wrong
    if not 0 <= claim.tier < len(facts.tiers):
        return f"there is no tier {claim.tier}"
    return ""


def _nobody(claim: Claim) -> str:
    """Exactly one of wallet and claim key gains; a key has one token, in the slot that every tier has."""
    if len(claim.to) != len(ZERO_ADDRESS) or len(claim.claim_key) != len(ZERO_ADDRESS):
        return "to and claim_key are addresses"
    if (claim.to == ZERO_ADDRESS) is (claim.claim_key == ZERO_ADDRESS):
        return "a claim is for a wallet (to) or for a claim key (claim_key), for exactly one of both"
    if claim.claim_key != ZERO_ADDRESS and claim.slot != 0:
        return "a claim key has slot 0"
    return ""


def _exchange(
    state: JournalState, facts: DropFacts, held: frames.Reserve, claim: Claim, standing: Standing
) -> Decision:
    """A reserve voucher for its voucher, with its seq; the same reserve voucher while that can't be signed."""
    if who(held) != who(claim):
        return Decision(Result.CONFLICT, "this claim_id was used for another claim")
    if standing.unable:
        return Decision(Result.RESERVED, standing.unable, reserve=held)
    if not held.sure and (out_of_time := _time(facts, standing)) is not None:
        return out_of_time
    if held.seq is None:
        return _supply(state, facts, claim, standing)  # it held none: the tier's next, where there is one left
    if may_finish(state, [held.tier], standing):
        return Decision(Result.SIGN, seq=held.seq)
    return Decision(Result.CLOSED, "outside the lease's time")


def _time(facts: DropFacts, standing: Standing) -> Decision | None:
    """The whole interval must lie in the window; one without an upper end may: a reserve voucher decides nothing."""
    lo, hi = standing.time.lo, standing.time.hi
    if lo >= facts.closes_at or (hi is not None and hi >= facts.closes_at):
        return Decision(Result.CLOSED, f"the window closed at {facts.closes_at}")
    if hi is not None and lo < facts.opens_at:
        return Decision(Result.NOT_OPEN, f"the window opens at {facts.opens_at}")
    return None


def _supply(state: JournalState, facts: DropFacts, claim: Claim, standing: Standing) -> Decision:
    """The lease's range and time, the wallet's cap, and each nullifier once."""
    lease, once = state.leases.get(claim.tier), nullifier(claim)
    if not 0 <= claim.slot < facts.tiers[claim.tier].wallet_cap or once in state.nullifiers or once in state.held:
        return _capped(facts, claim)
    if lease is None or state.next_seq[claim.tier] >= lease.quota:
        return Decision(Result.SOLD_OUT, "this node has none of this tier left")
    if standing.unable:
        return _reserve(state, claim, standing)
    if not standing.time.surely_from(lease.not_before) or not standing.time.surely_before(lease.redeem_by):
        return Decision(Result.CLOSED, "outside the lease's time")
    return Decision(Result.SIGN, seq=state.next_seq[claim.tier])


def _capped(facts: DropFacts, claim: Claim) -> Decision:
    if claim.claim_key != ZERO_ADDRESS:
        return Decision(Result.WALLET_CAP, "this claim key has its token already; a key is good for one")
    cap = facts.tiers[claim.tier].wallet_cap
    return Decision(Result.WALLET_CAP, f"a wallet has {cap} of this tier; slot {claim.slot} is not free")


def _reserve(state: JournalState, claim: Claim, standing: Standing) -> Decision:
    sure = standing.time.hi is not None
    if standing.fresh:
        return Decision(Result.RESERVE, standing.unable, seq=state.next_seq[claim.tier], sure=sure)
    if state.unsequenced >= MAX_UNSEQUENCED:
        return Decision(Result.NOT_READY, f"{standing.unable}; {MAX_UNSEQUENCED} reserve vouchers are out already")
    return Decision(Result.RESERVE, standing.unable, sure=sure)
