"""What one node is told of its drop, from the plan."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from infra.plan.model import CloudGrant, Currency, DropPlan, HubAddresses, Node
from infra.plan.witnesses import site_witnesses
from node_image.protocol.facts import CurrencyFacts, DropFacts, EpochFacts, TierFacts


def facts(
    plan: DropPlan, node: Node, hub: HubAddresses, owner_public_key: str, witnesses: Mapping[str, str]
) -> DropFacts:
    """The node's drop.json; `witnesses` are public keys by name, of the hub and of those at the site."""
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
        witness_places=site_witnesses(plan, node),
        later=tuple(EpochFacts(one.epoch, one.grant_id) for one in (*node.later, *node.awaited)),
        cloud_signer=hub.cloud_signer_place if any(one.node == node.name for one in plan.cloud) else "",
    )


def cloud_facts(
    plan: DropPlan, grant: CloudGrant, hub: HubAddresses, owner_public_key: str, witnesses: Mapping[str, str]
) -> DropFacts:
    """What the cloud signer is told of a grant: the node's facts, for the grant that it holds for that node."""
    node = next(one for one in plan.nodes if one.name == grant.node)
    told = facts(plan, node, hub, owner_public_key, witnesses)
    own = {"node": grant.name, "epoch": grant.epoch, "grant_id": grant.grant_id, "later": (), "cloud_signer": ""}
    return msgspec.structs.replace(told, **own, witness_places={})  # it stands at the hub


def tier_facts(plan: DropPlan) -> tuple[TierFacts, ...]:
    """What everybody is told of the tiers."""
    return tuple(
        TierFacts(
            tier=tier.tier,
            name=tier.name,
            title=tier.title,
            price_wei=tier.price_wei,
            wallet_cap=tier.wallet_cap,
            slot_base=tier.slot_base,
            sku=tier.sku,
            currency=_currency(plan.currency(tier)),
        )
        for tier in plan.tiers
    )


def _currency(told: Currency | None) -> CurrencyFacts | None:
    return CurrencyFacts(told.address, told.symbol, told.decimals) if told else None
