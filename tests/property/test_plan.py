"""Whatever the drop file says: every token has at most one lease, and the supply is neither stretched nor lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.plan.drop import plan_drop
from infra.plan.model import DropPlan, Lease
from infra.plan.shares import share_out
from infra.spec import DropFile, DropSpec
from tests.accounts import ACCOUNTS, ADDRESS

DIGEST = "0x" + "ab" * 32


def geography(number: int, share: int, appliances: int, spares: int, elastic: int) -> dict[str, object]:
    """One entry of a drop file; `elastic` spares come and go above the others."""
    told = {"name": f"geo{number}", "title": f"Geo {number}", "share_percent": share, "appliances": appliances}
    if not elastic:
        return told | {"spares": spares}
    return told | {"spares": {"min": spares, "max": spares + elastic}, "autoscale": {"budget_spare_hours": 6}}


@st.composite
def drops(draw: st.DrawFn) -> DropFile:
    """A drop file that has no fault of its own; its assets are not asked for."""
    shares = draw(st.lists(st.integers(0, 100), min_size=1, max_size=5))
    weights = share_out(100, shares if any(shares) else [1] * len(shares))
    counts = [
        (*draw(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any)), draw(st.integers(0, 3))) for _ in weights
    ]
    tiers = [
        {"name": f"tier{n}", "title": "T", "assets": "*", "supply": supply, "price_gwei": 0, "wallet_cap": 1}
        | {"splits": [{"address": ADDRESS, "share_percent": 100}]}
        for n, supply in enumerate(draw(st.lists(st.integers(1, 5000), min_size=1, max_size=4)))
    ]
    window = {f: f"2026-0{n}-01T00:00:00Z" for n, f in enumerate(("opens_at", "closes_at", "redeem_by"), start=1)}
    told = {"name": "d", "title": "D", "symbol": "DD", "chain_id": 1, "window": window, "tiers": tiers}
    percents = {"fallback_percent": draw(st.integers(0, 50)), "spare_percent": draw(st.integers(0, 100))}
    percents["cloud_percent"] = draw(st.integers(0, 50))
    geos = [geography(n, share, *count) for n, (share, count) in enumerate(zip(weights, counts, strict=True))]
    spec = DropSpec.model_validate(told | {"leases": percents, "geographies": geos})
    return DropFile(spec=spec, assets={}, sites={})


def planned(file: DropFile) -> DropPlan:
    """Its plan."""
    return plan_drop(file, stack="d", slot=20, accounts=ACCOUNTS, manifest_digest=DIGEST)


def kept(plan: DropPlan) -> list[Lease]:
    """For spares that come and go: nobody's until then."""
    return [lease for geo in plan.geographies for node in geo.elastic for lease in node.kept]


@settings(max_examples=120, deadline=None)
@given(drops())
def test_every_token_has_at_most_one_lease_and_all_but_the_fallback_have_one(file: DropFile) -> None:
    plan = planned(file)
    for tier in plan.tiers:
        leased = [
            token
            for lease in (*(one for grant in plan.grants for one in grant.leases), *kept(plan))
            if lease.tier == tier.tier
            for token in range(lease.start, lease.start + lease.quota)
        ]
        assert len(leased) == len(set(leased)) == tier.supply - tier.fallback
        assert set(leased) == set(range(tier.first_token, tier.first_token + tier.supply - tier.fallback))


@settings(max_examples=60, deadline=None)
@given(drops())
def test_names_addresses_and_grants_are_each_used_once(file: DropFile) -> None:
    plan = planned(file)
    nodes = [node for geo in plan.geographies for node in geo.at_front]
    grants = (*plan.grants, *(node for node in nodes if node.elastic))
    for field, holders in (("name", grants), ("grant_id", grants), ("address", nodes)):
        found = [getattr(one, field) for one in holders]
        assert len(found) == len(set(found))


@settings(max_examples=60, deadline=None)
@given(drops())
def test_a_cloud_lease_is_never_larger_than_its_nodes_own_nor_than_what_was_asked_for(file: DropFile) -> None:
    plan, percent = planned(file), file.spec.leases.cloud_percent
    own = {(node.name, lease.tier): lease.quota for node in plan.nodes for lease in node.leases}
    for grant in plan.cloud:
        assert grant.leases
        for lease in grant.leases:
            kept = own[grant.node, lease.tier]
            assert lease.quota <= kept
            assert abs(lease.quota - (kept + lease.quota) * percent / 100) <= 0.5
            assert lease.quota <= plan.tiers[lease.tier].max_lease


@settings(max_examples=60, deadline=None)
@given(drops())
def test_what_is_kept_for_a_spare_is_never_above_the_operators_ceiling(file: DropFile) -> None:
    plan = planned(file)
    assert all(lease.quota <= plan.tiers[lease.tier].max_lease for lease in kept(plan))


@settings(max_examples=60, deadline=None)
@given(drops())
def test_the_same_file_gives_the_same_plan(file: DropFile) -> None:
    assert planned(file) == planned(file)


@settings(max_examples=60, deadline=None)
@given(drops())
def test_tiers_ids_and_bits_run_on_without_overlap(file: DropFile) -> None:
    tiers = planned(file).tiers
    for before, after in pairwise(tiers):
        assert after.first_token == before.first_token + before.supply
        assert after.slot_base == before.slot_base + before.wallet_cap


@given(st.integers(0, 10_000), st.lists(st.integers(0, 100), min_size=1, max_size=8))
def test_shares_are_whole_and_add_up(total: int, weights: list[int]) -> None:
    shares = share_out(total, weights)
    assert sum(shares) == (total if any(weights) else 0)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - total * weight / (sum(weights) or 1)) < 1
