"""Supply to leases: disjoint ranges by construction, the fallback reserve kept at each tier's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from infra.plan.model import Lease, Tier
from infra.plan.shares import share_out
from infra.spec import DropSpec, GeographySpec

WHOLE = 100


def fallback_of(supply: int, percent: int) -> int:
    """Tokens of a tier that no lease may hold at first; rounded up, but one token is always for sale."""
    return min(supply - 1, ceil(supply * percent / WHOLE))


@dataclass(slots=True)
class Share:
    """One node's leases: its own HSM's, and those that the hub's cloud signer holds for it."""

    own: list[Lease] = field(default_factory=list)
    cloud: list[Lease] = field(default_factory=list)


def shares(spec: DropSpec, tiers: Sequence[Tier]) -> list[list[Share]]:
    """For each geography, for each of its nodes (appliances first, elastic spares last), its leases.

    A quota of 0 is no lease. A node's tokens run on without a gap, the cloud signer's are the last of them; it holds
    none for an elastic spare, which is put away when its HSM is out.
    """
    found = [[Share() for _ in range(geo.appliances + geo.spares.max)] for geo in spec.geographies]
    for tier in tiers:
        start = tier.first_token
        for at, quotas in enumerate(quotas_of(spec, tier)):
            own = len(spec.geographies[at].nodes)
            for node, quota in enumerate(quotas):
                cloud = cloud_of(quota, spec.leases.cloud_percent) if node < own else 0
                for held, part in ((found[at][node].own, quota - cloud), (found[at][node].cloud, cloud)):
                    if part:
                        held.append(Lease(tier.tier, start, part, spec.window.opens_at, spec.window.redeem_by))
                    start += part
    return found


def cloud_of(quota: int, percent: int) -> int:
    """Of a node's share, what the cloud signer gets: to the nearest token, and never more than the node keeps."""
    return min(quota // 2, (quota * percent + WHOLE // 2) // WHOLE)


def quotas_of(spec: DropSpec, tier: Tier) -> list[list[int]]:
    """What each node of each geography, elastic spares too, may sell of a tier, its cloud part included.

    Supply less fallback in all.
    """
    by_geography = share_out(tier.supply - tier.fallback, [geo.share_percent for geo in spec.geographies])
    return [_by_node(spec, geo, quota) for geo, quota in zip(spec.geographies, by_geography, strict=True)]


def _by_node(spec: DropSpec, geo: GeographySpec, quota: int) -> list[int]:
    """Spares get their percent, all of it where there is no appliance and none where there is no spare."""
    most = geo.spares.max
    spare_weight = spec.leases.spare_percent if most else 0
    appliance_weight = (WHOLE - spec.leases.spare_percent if most else WHOLE) if geo.appliances else 0
    if appliance_weight + spare_weight == 0:
        spare_weight = WHOLE  # spare_percent 0 and no appliance: somebody must sell
    appliances, spares = share_out(quota, [appliance_weight, spare_weight])
    return [*share_out(appliances, [1] * geo.appliances), *share_out(spares, [1] * most)]
