"""Whether a claim may be signed: one pure decision over what the journal holds and what the clock says."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from node_image.protocol.claim import Claim, not_the_wallets
from node_image.protocol.eip712 import ZERO_ADDRESS
from node_image.protocol.facts import DropFacts
from node_image.protocol.journal import ClaimRecord, JournalState

__all__ = ["Claim", "Decision", "Result", "decide", "not_the_wallets", "preview"]

MAX_CLAIM_ID = 64


class Result(StrEnum):
    """Every answer there is; all but the first two are error codes of the signer's socket."""

    SIGN = "sign"
    KNOWN = "known"  # answered before: the same voucher again
    NOT_READY = "not_ready"
    NOT_OPEN = "not_open"
    CLOSED = "closed"
    SOLD_OUT = "sold_out"
    WALLET_CAP = "wallet_cap"
    BAD_CLAIM = "bad_claim"
    CONFLICT = "conflict"
    QUOTA = "quota"  # of the HSM: no rule of the claim's, the signer finds it


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The result with its reason in words; `seq` is set for SIGN, `known` for KNOWN."""

    result: Result
    reason: str = ""
    seq: int = -1
    known: ClaimRecord | None = None


def decide(
    state: JournalState, facts: DropFacts, separator: bytes, claim: Claim, now: int, wrong: str | None = None
) -> Decision:
    """Sign this claim, and with which seq? `now` in Unix seconds; the first rule that refuses is the reason.

    `wrong` is what `not_the_wallets` said of the claim, where it was asked ahead: it takes most of the time.
    """
    found = preview(state, facts, claim, now)
    if found.result is Result.SIGN:
        wrong = not_the_wallets(facts.drop, separator, claim) if wrong is None else wrong
        return Decision(Result.BAD_CLAIM, wrong) if wrong else found
    return found


def preview(state: JournalState, facts: DropFacts, claim: Claim, now: int) -> Decision:
    """All rules but the wallet's signature: what they refuse needs no recovery, what they let pass is not yet good."""
    if earlier := state.claims.get(claim.claim_id):
        return _again(earlier, claim)
    if wrong := _malformed(facts, claim):
        return Decision(Result.BAD_CLAIM, wrong)
    if (out_of_time := _time(facts, now)) is not None:
        return out_of_time
    return _supply(state, facts, claim, now)


def _again(earlier: ClaimRecord, claim: Claim) -> Decision:
    same = (earlier.tier, earlier.to, earlier.slot) == (claim.tier, claim.to, claim.slot)
    if same:
        return Decision(Result.KNOWN, known=earlier)
    return Decision(Result.CONFLICT, "this claim_id was used for another claim")


def _malformed(facts: DropFacts, claim: Claim) -> str:
    if not 0 < len(claim.claim_id) <= MAX_CLAIM_ID:
        return f"claim_id has 1 to {MAX_CLAIM_ID} characters"
    if len(claim.to) != len(ZERO_ADDRESS) or claim.to == ZERO_ADDRESS:
        return "to is a wallet's address"
    if not 0 <= claim.tier < len(facts.tiers):
        return f"there is no tier {claim.tier}"
    return ""


def _time(facts: DropFacts, now: int) -> Decision | None:
    if now < facts.opens_at:
        return Decision(Result.NOT_OPEN, f"the window opens at {facts.opens_at}")
    if now >= facts.closes_at:
        return Decision(Result.CLOSED, f"the window closed at {facts.closes_at}")
    return None


def _supply(state: JournalState, facts: DropFacts, claim: Claim, now: int) -> Decision:
    """The lease's range, the wallet's cap, and each nullifier once."""
    lease = state.leases.get(claim.tier)
    if not state.leases:
        return Decision(Result.NOT_READY, "this node holds no lease yet")
    cap = facts.tiers[claim.tier].wallet_cap
    if not 0 <= claim.slot < cap or (claim.tier, claim.to, claim.slot) in state.nullifiers:
        return Decision(Result.WALLET_CAP, f"a wallet has {cap} of this tier; slot {claim.slot} is not free")
    if lease is None or state.next_seq[claim.tier] >= lease.quota:
        return Decision(Result.SOLD_OUT, "this node has none of this tier left")
    if not lease.not_before <= now < lease.redeem_by:
        return Decision(Result.CLOSED, "outside the lease's time")
    return Decision(Result.SIGN, seq=state.next_seq[claim.tier])
