"""`edgedrop failover`: all claims of a geography go to its spares, or to the node that is named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

import typer

from infra.errors import BadUsage
from infra.ops import diverting
from infra.ops.diverting import AsJson, Drop, Reason, Wanted, Where, Yes
from infra.ops.output import say
from infra.plan.model import Node
from node_image.front.runtime import How, Served


def failover(
    geo: Annotated[str, typer.Argument(help="A geography of the drop.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="The node, its own or lent to it, that is to have all claims; all its spares where none is named."
        ),
    ] = None,
    reason: Reason = "",
    drop: Drop = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send all claims of a geography to its spares, or --to one node; the others are the last resort.

    It lasts until `edgedrop failback`. What the others signed stays good; nobody's lease is touched.
    """
    where = diverting.of_geography(drop, geo)
    states = diverting.seen(where)
    wanted = plan_failover(where, states, to, reason)
    for name in wanted.only:
        say(f"{name} has {diverting.left(where.node(name)) or 'not said what it has'} left to sell")
    diverting.carry_out(where, states, wanted, yes=yes, as_json=as_json)


def plan_failover(where: Where, states: Mapping[str, Served], to: str | None, why: str) -> Wanted:
    """Who is to have the claims, and who none; what a person drained or cordoned stays so."""
    targets = _targets(where, states, to)
    kept = {name for name, one in where.held.items() if one.act != "failover"} - set(targets)
    hows = {name: how for name, how in _hows(where, targets).items() if name not in kept}
    others = [name for name, how in hows.items() if how == "cordon"]
    heirs = ", ".join(targets)
    stay = f"{', '.join(others) or 'nobody else'}: finishes what it has in hand, and is asked again only if that fails"
    return Wanted(
        "failover",
        f"send all claims of {where.geo.name} to {heirs}",
        (f"all claims of {where.geo.name} go to {heirs}", stay),
        hows,
        put={where.key(name): diverting.diversion("failover", "cordon", why, targets) for name in others},
        end=tuple(where.key(name) for name, how in hows.items() if how == "ready"),
        only=targets,
        why=why,
        back=f"edgedrop failback {where.geo.name}",
    )


def _hows(where: Where, targets: Collection[str]) -> dict[str, How]:
    """What others lend is used where no target has a hand free; for one of it the rest of it is set aside."""
    own: dict[str, How] = {node.name: "ready" if node.name in targets else "cordon" for node in where.geo.at_front}
    lent = [one.name for one in where.geo.lent]
    aside: How = "cordon" if set(targets) & set(lent) else "ready"
    return own | {name: "ready" if name in targets else aside for name in lent}


def _targets(where: Where, states: Mapping[str, Served], to: str | None) -> tuple[str, ...]:
    """Of those that are in service, or that an earlier failover set aside."""
    held = where.held
    moved = {name for name, one in held.items() if one.act == "failover"}
    good = [node for node in where.nodes if states.get(node.name, Served()).state == "UP" or node.name in moved]
    there = diverting.names(good) or "none"
    if to is None:
        spares = tuple(node.name for node in good if isinstance(node, Node) and node.kind == "spare")
        if not spares:
            raise BadUsage(f"no spare of {where.geo.name} is in service", f"--to <one that is: {there}>")
        return spares
    if where.node(to) not in good:
        own = f"{held[to].act} by {held[to].who}" if to in held else states.get(to, Served()).state or "unknown"
        raise BadUsage(f"{to} is not in service: {own}", f"--to <one that is: {there}>")
    return (to,)
