"""`edgedrop failback`: a geography's claims go where its front sends them by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.ops import diverting
from infra.ops.diverting import AsJson, Drop, Reason, Wanted, Where, Yes
from node_image.front.runtime import How


def failback(
    geo: Annotated[str, typer.Argument(help="A geography of the drop.")],
    reason: Reason = "",
    drop: Drop = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End a failover: appliances first again, as the front's checks allow; drained and cordoned nodes stay so."""
    where = diverting.of_geography(drop, geo)
    diverting.carry_out(where, diverting.seen(where), plan_failback(where, reason), yes=yes, as_json=as_json)


def plan_failback(where: Where, why: str) -> Wanted:
    """Also what is on nobody's record: a command that was killed may have left a node aside."""
    held = where.held
    moved = tuple(name for name, one in held.items() if one.act == "failover")
    kept = [f"{name} stays set aside by {one.act}" for name, one in held.items() if one.act != "failover"]
    back = [node.name for node in where.nodes if node.name not in held or node.name in moved]
    first = f"{', '.join(moved)}: gets claims again" if moved else "nothing is on record as failed over"
    hows: dict[str, How] = dict.fromkeys(back, "ready")
    question = f"leave the claims of {where.geo.name} to its front's own choice"
    return Wanted("failback", question, (first, *kept), hows, end=tuple(map(where.key, moved)), why=why)
