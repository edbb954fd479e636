"""A drop's plan: tiers, placement, addresses, leases, contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from infra.plan.contract import plan_contract
from infra.plan.leases import Share, cloud_of, fallback_of, quotas_of, shares
from infra.plan.lending import lend
from infra.plan.model import (
    ZERO_ADDRESS,
    Accounts,
    CloudGrant,
    Currency,
    DropPlan,
    Epoch,
    Geography,
    Lease,
    Node,
    NodeKind,
    Scale,
    Split,
    Tier,
)
from infra.spec import DropFile, DropSpec, GeographySpec, SplitSpec, TierSpec
from node_image.front.config import CLAIMS_AT_ONCE
from node_image.protocol.eip712 import grant_id
from node_image.protocol.facts import cloud_node

WEI_PER_GWEI = 10**9
BPS_PER_PERCENT = 100
FRONT_HOST, WITNESS_HOST = 2, 3
PAIR_HOSTS = (4, 5)  # of two fronts
FIRST_NODE_HOST = 10


def plan_drop(
    file: DropFile,
    *,
    stack: str,
    slot: int,
    accounts: Accounts,
    manifest_digest: str,
    later: Mapping[str, Sequence[tuple[int, tuple[Lease, ...]]]] | None = None,
) -> DropPlan:
    """Everything about the drop that can be known before it stands; the same input gives the same plan.

    `later` are the epochs that were opened after a node's first, with their leases, or that wait to be opened, with
    none: they move nothing else.
    """
    spec = file.spec
    tiers = _tiers(spec)
    held = shares(spec, tiers)
    geographies = tuple(
        _geography(file, geo, f"10.{slot}.{at + 1}", held[at]) for at, geo in enumerate(spec.geographies)
    )
    return DropPlan(
        drop=spec.name,
        stack=stack,
        title=spec.title,
        slot=slot,
        opens_at=spec.window.opens_at,
        closes_at=spec.window.closes_at,
        redeem_by=spec.window.redeem_by,
        tiers=tiers,
        geographies=tuple(
            _rotated(spec.name, geo, later or {})
            for geo in lend(geographies, {geo.name: geo.lends_spares_to for geo in spec.geographies})
        ),
        contract=plan_contract(spec, tiers, accounts=accounts, manifest_digest=manifest_digest),
        currencies=_currencies(spec),
        release=spec.release,
    )


def _rotated(drop: str, geo: Geography, later: Mapping[str, Sequence[tuple[int, tuple[Lease, ...]]]]) -> Geography:
    """With each node's later epochs; those that the drop file's own `epoch` has come up to are its past."""

    def rotated(node: Node) -> Node:
        found = [
            Epoch(epoch, "0x" + grant_id(drop, node.name, epoch).hex(), held)
            for epoch, held in later.get(node.name, ())
            if epoch > node.epoch
        ]
        opened, awaited = ([one for one in found if bool(one.leases) is there] for there in (True, False))
        return replace(node, later=tuple(opened), awaited=tuple(awaited))

    def came_up(node: Node) -> Node:
        """An elastic spare's grants are all of the record: its planned range is only what is kept for it."""
        told = [
            Epoch(epoch, "0x" + grant_id(drop, node.name, epoch).hex(), held)
            for epoch, held in later.get(node.name, ())
        ]
        first, *others = told or [Epoch(node.epoch, node.grant_id, ())]
        return replace(node, epoch=first.epoch, grant_id=first.grant_id, leases=first.leases, later=tuple(others))

    return replace(geo, nodes=tuple(map(rotated, geo.nodes)), elastic=tuple(map(came_up, geo.elastic)))


def _tiers(spec: DropSpec) -> tuple[Tier, ...]:
    """Token ids run on from tier to tier, from 1; so do the bits of a holder's slot, from 0."""
    found: list[Tier] = []
    token, bit = 1, 0
    for number, tier in enumerate(spec.tiers):
        found.append(
            Tier(
                tier=number,
                name=tier.name,
                title=tier.title,
                supply=tier.supply,
                fallback=fallback_of(tier.supply, spec.leases.fallback_percent),
                first_token=token,
                price_wei=_price(tier),
                wallet_cap=tier.wallet_cap,
                slot_base=bit,
                sku=tier.sku,
                splits=tuple(_split(split) for split in tier.splits),
                currency=tier.currency.address if tier.currency else ZERO_ADDRESS,
            )
        )
        token, bit = token + tier.supply, bit + tier.wallet_cap
    return tuple(replace(tier, max_lease=_largest(spec, tier)) for tier in found)


def _price(tier: TierSpec) -> int:
    """For one token, in the smallest unit of what it is paid in."""
    return (tier.price_units or 0) if tier.currency else (tier.price_gwei or 0) * WEI_PER_GWEI


def _currencies(spec: DropSpec) -> tuple[Currency, ...]:
    """Each once, in the order of the tiers."""
    named = (tier.currency for tier in spec.tiers if tier.currency)
    return tuple(dict.fromkeys(Currency(one.address, one.symbol, one.decimals) for one in named))


def _largest(spec: DropSpec, tier: Tier) -> int:
    """A stolen operator key can't put a tier into one lease: none is larger than the largest that was planned."""
    percent = spec.leases.cloud_percent  # the cloud signer's part is never the larger one; an elastic spare has none
    return max(
        quota - (cloud_of(quota, percent) if at < len(geo.nodes) else 0)
        for geo, quotas in zip(spec.geographies, quotas_of(spec, tier), strict=True)
        for at, quota in enumerate(quotas)
    )


def _split(split: SplitSpec) -> Split:
    return Split(split.address, split.share_percent * BPS_PER_PERCENT)


def _geography(file: DropFile, geo: GeographySpec, prefix: str, held: Sequence[Share]) -> Geography:
    nodes = tuple(
        _node(file, geo, name, kind, at, prefix, tuple(held[at].own)) for at, (kind, name) in enumerate(geo.nodes)
    )
    cloud = (_cloud(file, node, share) for node, share in zip(nodes, held, strict=False) if share.cloud)
    above = enumerate(geo.elastic, len(nodes))
    elastic = (_node(file, geo, name, "spare", at, prefix, tuple(held[at].own)) for at, name in above)
    return Geography(
        name=geo.name,
        title=geo.title,
        subnet=f"{prefix}.0/24",
        front_address=f"{prefix}.{FRONT_HOST}",
        nodes=nodes,
        cloud=tuple(cloud),
        witness_address=f"{prefix}.{WITNESS_HOST}",
        pair=tuple(f"{prefix}.{host}" for host in PAIR_HOSTS) if geo.fronts > 1 else (),
        elastic=tuple(replace(node, elastic=True, leases=(), kept=node.leases) for node in elastic),
        scale=_scale(geo),
    )


def _scale(geo: GeographySpec) -> Scale | None:
    rules = geo.autoscale
    if rules is None:
        return None
    return Scale(
        least=geo.spares.min,
        most=geo.spares.max,
        budget_s=rules.budget_spare_hours * 3600,
        ahead_s=rules.ahead_minutes * 60,
        cool_down_s=rules.cool_down_minutes * 60,
        busy_percent=rules.busy_percent,
        idle_percent=rules.idle_percent,
    )


def _cloud(file: DropFile, node: Node, share: Share) -> CloudGrant:
    name = cloud_node(node.name)
    grant = "0x" + grant_id(file.spec.name, name, node.epoch).hex()
    return CloudGrant(node.name, name, node.geo, node.epoch, grant, tuple(share.cloud))


def _node(
    file: DropFile, geo: GeographySpec, name: str, kind: NodeKind, at: int, prefix: str, held: tuple[Lease, ...]
) -> Node:
    box = file.box(geo.boxes[name]) if geo.target == "ssh" else None
    return Node(
        name=name,
        geo=geo.name,
        kind=kind,
        target=geo.target,
        address=str(box.address) if box else f"{prefix}.{FIRST_NODE_HOST + at}",
        ssh_port=box.ssh_port if box else 22,
        ssh_user=box.ssh_user if box else "root",
        host_key=box.host_key if box else None,
        epoch=geo.epoch,
        grant_id="0x" + grant_id(file.spec.name, name, geo.epoch).hex(),
        leases=held,
        claims_at_once=box.claims_at_once if box else CLAIMS_AT_ONCE,
    )
