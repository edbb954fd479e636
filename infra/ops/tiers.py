"""Tiers as a command line names them: by the drop file's name, or by number where the drop is not known here."""

from __future__ import annotations

from infra.errors import BadUsage
from infra.ops.place import Place, told
from node_image.hub.reading import TierOnChain


def tiers_named(place: Place, names: tuple[str, ...]) -> dict[int, TierOnChain]:
    """The tiers that are named, all where none is."""
    with told():
        there = dict(enumerate(place.chain.tiers(place.contract)))
    known = {tier.name: tier.tier for tier in place.plan.tiers} if place.plan else {}
    numbers = {str(number): number for number in there} | known
    for name in names:
        if name not in numbers:
            raise BadUsage(f"there is no tier {name}", f"its tiers are {', '.join(known or numbers)}")
    return {number: there[number] for number in ([numbers[name] for name in names] or there)}
