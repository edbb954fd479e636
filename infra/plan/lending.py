"""Who lends spares to whom: what of a spare a borrower's front is given, and where that front stands to reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from infra.plan.fronts import Borrower, Leg, Lent
from infra.plan.model import Geography

FIRST_LEG_HOST = 240  # in the lender's network; each borrower has two, for a pair of fronts
# Half of a spare's hands, shared among those that it is lent to; its own front always has them all.
LENT_PART = 2


def lend(geographies: Sequence[Geography], lends: Mapping[str, Sequence[str]]) -> tuple[Geography, ...]:
    """The geographies with what they lend (by lender's name) and are lent."""
    return tuple(_with(geo, geographies, lends) for geo in geographies)


def _with(geo: Geography, all_of_them: Sequence[Geography], lends: Mapping[str, Sequence[str]]) -> Geography:
    lenders = [other for other in all_of_them if geo.name in lends[other.name]]
    return replace(
        geo,
        lent=tuple(one for other in lenders for one in _lent(other, len(lends[other.name]))),
        legs=tuple(_leg(geo, other, lends[other.name].index(geo.name)) for other in lenders if _made(other)),
        borrowers=tuple(Borrower(one.name, one.fronts) for one in all_of_them if one.name in lends[geo.name]),
    )


def _lent(lender: Geography, borrowers: int) -> list[Lent]:
    spares = [node for node in lender.nodes if node.kind == "spare"]
    return [
        Lent(node.name, lender.name, node.address, max(1, node.claims_at_once // LENT_PART // borrowers))
        for node in spares
    ]


def _made(lender: Geography) -> bool:
    """Boxes that we make are in a network of their own; real ones are reached as from everywhere."""
    return any(node.target == "docker" for node in lender.nodes)


def _leg(geo: Geography, lender: Geography, at: int) -> Leg:
    prefix, first = lender.subnet.rsplit(".", 1)[0], FIRST_LEG_HOST + 2 * at
    return Leg(lender.name, tuple(f"{prefix}.{first + number}" for number in range(len(geo.fronts))))
