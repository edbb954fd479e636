"""What is left of a drop's fallback reserve, tier by tier, and as much of it as is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from infra.errors import BadUsage
from infra.ops.place import Place, told
from infra.ops.tiers import tiers_named
from infra.plan.model import Lease
from node_image.hub.reading import TierOnChain


class NothingLeft(BadUsage):
    """The reserve is spent."""


@dataclass(frozen=True, slots=True)
class Part:
    """As the command line says: tiers by name or number (none is all), tokens of each (none is all), Unix seconds."""

    tiers: tuple[str, ...] = ()
    quota: int | None = None
    redeem_by: int | None = None


def leases_out_of(place: Place, part: Part) -> tuple[Lease, ...]:
    """One a tier, behind what is leased already; BadUsage where that can't be, NothingLeft where nothing is left."""
    with told():
        _, now = place.chain.block()
    until = part.redeem_by or (place.plan.redeem_by if place.plan else 0)
    begins = min(now, place.plan.opens_at) if place.plan else now
    if until <= now:
        raise BadUsage(
            f"redeem-by {until} is over" if until else "until when are its vouchers to redeem?", "--redeem-by"
        )
    found = []
    for number, tier in tiers_named(place, part.tiers).items():
        start, end = _first_free(place, number, tier), tier.first_token + tier.supply
        wanted = end - start if part.quota is None else part.quota
        if wanted > end - start:
            raise BadUsage(
                f"tier {number} has {end - start} tokens left in reserve", "a smaller --quota, or other tiers"
            )
        if wanted:
            found.append(Lease(number, start, wanted, begins, until))
    if not found:
        raise NothingLeft("nothing is left in the fallback reserve", "close out or reclaim what other grants don't use")
    return tuple(found)


def still_free(place: Place, leases: tuple[Lease, ...]) -> bool:
    """Whether nobody was given them meanwhile."""
    with told():
        return not any(place.chain.is_leased(place.contract, one.tier, one.start) for one in leases)


def _first_free(place: Place, number: int, tier: TierOnChain) -> int:
    """The reserve is leased from its beginning on; where holes were closed out, the contract says Overlap."""
    low, high = tier.reserve, tier.first_token + tier.supply
    with told():
        while low < high:
            middle = (low + high) // 2
            if place.chain.is_leased(place.contract, number, middle):
                low = middle + 1
            else:
                high = middle
    return low
