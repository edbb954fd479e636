"""What one node is told of its drop, from the plan."""

from __future__ import annotations

from collections.abc import Mapping

from infra.plan.model import DropPlan, HubAddresses, Node
from node_image.protocol.facts import DropFacts, EpochFacts, TierFacts


def facts(
    plan: DropPlan, node: Node, hub: HubAddresses, owner_public_key: str, witnesses: Mapping[str, str]
) -> DropFacts:
    """The node's drop.json; `witnesses` are public keys by name."""
    return DropFacts(
        schema=1,
        drop=plan.drop,
        title=plan.title,
        chain_id=plan.contract.chain_id,
        contract=plan.contract.address,
        manifest_digest=plan.contract.manifest_digest,
        owner_public_key=owner_public_key,
        node=node.name,
        geo=node.geo,
        epoch=node.epoch,
        grant_id=node.grant_id,
        opens_at=plan.opens_at,
        closes_at=plan.closes_at,
        redeem_by=plan.redeem_by,
        tiers=tier_facts(plan),
        ledger_url=hub.ledger_url,
        witnesses=dict(witnesses),
        later=tuple(EpochFacts(one.epoch, one.grant_id) for one in node.later),
    )


def tier_facts(plan: DropPlan) -> tuple[TierFacts, ...]:
    """What everybody is told of the tiers."""
    return tuple(
        TierFacts(tier.tier, tier.name, tier.title, tier.price_wei, tier.wallet_cap, tier.slot_base, tier.sku)
        for tier in plan.tiers
    )
