"""`edgedrop reclaim`: after redeem-by, what a revoked lease never gave is free again (2 of 3 holders)."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.errors import BadUsage
from infra.ops.acting import Epoch, Node, carry_out, terms
from infra.ops.asked import Asked, holders_command
from infra.ops.place import Place, grant_named, told
from infra.ops.standing import Standing, standing
from infra.ops.tiers import tiers_named
from node_image.hub.chain import Status
from node_image.protocol.acts import Reclaim, when


@holders_command
def reclaim(
    asked: Asked,
    node: Node,
    tier: Annotated[str, typer.Option(help="The tier: its name, or its number.")],
    from_seq: Annotated[
        int | None, typer.Option("--from", min=0, help="The first seq; by default the first that is not anchored.")
    ] = None,
    epoch: Epoch = None,
) -> None:
    """Free what is left of a revoked lease, after its redeem-by (2 of 3 holders)."""
    place = asked.place
    before = standing(place, grant_named(place, node, epoch))
    (number,) = tiers_named(place, (tier,))
    first = _first(place, before, number, from_seq)
    act = Reclaim(before.grant_id, number, first, **terms(place, asked.hours))
    carry_out(place, act, before, asked.ways)


def _first(place: Place, before: Standing, tier: int, asked: int | None) -> int:
    """From where on; what the contract would refuse is told here."""
    held = next((one for one in before.leases if one.tier == tier), None)
    if held is None:
        raise BadUsage(f"the grant holds no lease in tier {tier}", f"it is {before.grant_id}")
    if before.status is not Status.REVOKED:
        raise BadUsage(f"the grant is {before.status.name.lower()}", "only a revoked one is reclaimed: edgedrop revoke")
    with told():
        _, now = place.chain.block()
    if now <= held.redeem_by:
        raise BadUsage(f"its vouchers redeem until {when(held.redeem_by)}", "type the same again after that")
    first = held.covered if asked is None else asked
    if first < held.covered:
        raise BadUsage(f"seqs below {held.covered} are anchored", f"--from {held.covered} is the least")
    return first
