"""Which tokens the next epoch of a node may have: ranges in nobody's lease, and never the fallback reserve.

A range is nobody's once a close-out or a reclaim gave it back, or where planning leased it to no one. What was minted
stays taken, and so does what stands in the plan and is not on chain yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from infra.plan.model import DropPlan, Lease, Node, Tier


@dataclass(frozen=True, slots=True)
class Leased:
    """A lease as the chain has it now; a close-out or a reclaim has made its quota smaller."""

    grant_id: str
    tier: int
    start: int
    quota: int


def taken(plan: DropPlan, on_chain: Iterable[Leased], closing: Collection[str] = ()) -> dict[int, list[range]]:
    """By tier, what is in a lease now, or is planned to be, or is of a grant that is being closed for another node."""
    there = [one for one in on_chain if one.grant_id not in closing]
    known = {one.grant_id for one in there}
    planned = [held for one in plan.grants if one.grant_id not in known for held in one.leases]
    held: list[Leased | Lease] = [*there, *planned]
    return {
        tier.tier: [range(one.start, one.start + one.quota) for one in held if one.tier == tier.tier]
        for tier in plan.tiers
    }


def free(tier: Tier, held: Iterable[range], minted: Collection[int] = ()) -> list[range]:
    """The gaps between what is held, in the part of a tier that the operator may lease."""
    alone = (range(token, token + 1) for token in minted)
    gaps, at = list[range](), tier.first_token
    end = tier.first_token + tier.operator_cap
    for one in sorted((*held, *alone), key=lambda one: one.start):
        if one.start > at:
            gaps.append(range(at, min(one.start, end)))
        at = max(at, one.stop)
    gaps.append(range(at, end))
    return [gap for gap in gaps if gap]


def remainders(leases: Iterable[Lease], on_chain: Sequence[Leased], grant_id: str) -> dict[int, range]:
    """What a grant's end gave back of each of its leases."""
    left = {one.tier: one.quota for one in on_chain if one.grant_id == grant_id}
    return {one.tier: range(one.start + left.get(one.tier, 0), one.start + one.quota) for one in leases}


def next_leases(
    plan: DropPlan,
    node: Node,
    held: dict[int, list[range]],
    minted: Collection[int] = (),
    only: dict[int, range] | None = None,
) -> tuple[Lease, ...]:
    """One lease a tier at most: of `only` where that is given, else of what the node had before, else of any gap.

    An elastic spare takes first what was kept for it, and never what is kept for another one.
    """
    found, others = [], _kept_for_others(plan, node)
    for tier in plan.tiers:
        gaps = free(tier, (*held[tier.tier], *others), minted)
        before = (*node.kept, *(one for each in node.each() for one in each.leases))
        had = [range(one.start, one.start + one.quota) for one in before]
        own = had if only is None else [only.get(tier.tier, range(0))]
        mine = [both for gap in gaps for one in own if (both := _both(gap, one))]
        chosen = max(mine or (gaps if only is None else []), key=len, default=range(0))[: tier.max_lease]
        if chosen:
            found.append(Lease(tier.tier, chosen.start, len(chosen), plan.opens_at, plan.redeem_by))
    return tuple(found)


def _kept_for_others(plan: DropPlan, node: Node) -> list[range]:
    """Nothing for a node that is not elastic: what is in nobody's lease is free for a person to give."""
    others = (one for geo in plan.geographies for one in geo.elastic if node.elastic and one.name != node.name)
    return [range(kept.start, kept.start + kept.quota) for one in others for kept in one.kept]


def _both(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))
