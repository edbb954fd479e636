"""`edgedrop mint-lost`: after redeem-by, single tokens whose vouchers were lost go to their buyers (2 of 3 holders)."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from infra.errors import BadUsage
from infra.ops.acting import Epoch, Node, carry_out, terms
from infra.ops.asked import Asked, holders_command
from infra.ops.place import ADDRESS, Place, grant_named, told
from infra.ops.standing import Standing, standing
from infra.ops.tiers import tiers_named
from node_image.hub.chain import ChainRefused
from node_image.protocol.acts import MintLost, when


@holders_command
def mint_lost(
    asked: Asked,
    node: Node,
    tier: Annotated[str, typer.Option(help="The tier: its name, or its number.")],
    token: Annotated[list[str], typer.Option(metavar="SEQ=ADDRESS", help="A seq of its lease, and who gets it.")],
    epoch: Epoch = None,
) -> None:
    """Mint single lost tokens of a lease after its redeem-by, without a voucher (2 of 3 holders)."""
    pairs = _pairs(token)
    place = asked.place
    before = standing(place, grant_named(place, node, epoch))
    (number,) = tiers_named(place, (tier,))
    _check(place, before, number, pairs)
    act = MintLost(before.grant_id, number, tuple(pairs), tuple(pairs.values()), **terms(place, asked.hours))
    carry_out(place, act, before, asked.ways)


def _pairs(told_: list[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for one in told_:
        match = re.fullmatch(rf"(\d{{1,10}})=({ADDRESS})", one)
        if match is None or int(match[2], 16) == 0:
            raise BadUsage(f"--token {one}", "as in 17=0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
        if int(match[1]) in found:
            raise BadUsage(f"--token: seq {match[1]} twice", "a token goes to one buyer")
        found[int(match[1])] = match[2]
    return found


def _check(place: Place, before: Standing, tier: int, pairs: dict[int, str]) -> None:
    """What the contract would refuse; tokens that are all with these very buyers are done already."""
    held = next((one for one in before.leases if one.tier == tier), None)
    if held is None or max(pairs) >= held.quota:
        raise BadUsage(
            f"the grant's lease in tier {tier} has {held.quota if held else 0} tokens", "a seq is below that number"
        )
    with told():
        _, now = place.chain.block()
    if now <= held.redeem_by:
        raise BadUsage(f"its vouchers redeem until {when(held.redeem_by)}", "type the same again after that")
    owners = {seq: _owner(place, held.start + seq) for seq in pairs}
    if all(owner is not None and owner.lower() == pairs[seq].lower() for seq, owner in owners.items()):
        return
    if taken := [seq for seq, owner in owners.items() if owner is not None]:
        raise BadUsage(f"seq {taken[0]} is minted already, to {owners[taken[0]]}", "leave it out")


def _owner(place: Place, token: int) -> str | None:
    with told():
        try:
            return place.chain.owner_of(place.contract, token)
        except ChainRefused:
            return None
