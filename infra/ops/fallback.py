"""`edgedrop fallback open`: two holders open a grant out of a tier's fallback reserve, which no operator can touch."""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Annotated

import typer

from infra import stacks
from infra.errors import BadUsage
from infra.ops.acting import carry_out, terms
from infra.ops.asked import Asked, holders_command
from infra.ops.output import say
from infra.ops.place import ADDRESS, FIRST_EPOCH, Place, told
from infra.ops.standing import standing
from infra.ops.tiers import tiers_named
from infra.provision.ssh import Host
from infra.resources.announce import announce_grant
from node_image.hub.reading import TierOnChain
from node_image.protocol.acts import OpenGrant
from node_image.protocol.announcement import GrantAnnouncement
from node_image.protocol.eip712 import grant_id
from node_image.protocol.lease import Lease

app = typer.Typer(help="The reserve that is kept back for when a key is suspected.", no_args_is_help=True)
ADDRESS_OF = "docker exec edgedrop-signer python3 -m node_image.signer address"


@app.callback()
def fallback() -> None:
    """The reserve that is kept back for when a key is suspected."""


@app.command("open")
@holders_command
def open_(
    asked: Asked,
    geo: Annotated[str, typer.Option(help="The geography that is to go on.")],
    node: Annotated[str | None, typer.Option(help="Who sells from it; by default the geography's first spare.")] = None,
    tier: Annotated[list[str] | None, typer.Option(help="A tier, by name or number; all where none is named.")] = None,
    quota: Annotated[int | None, typer.Option(min=1, help="Tokens of each tier; by default all that is left.")] = None,
    signer: Annotated[
        str | None, typer.Option(help="The key's address; by default the node's signer is asked.")
    ] = None,
    epoch: Annotated[int | None, typer.Option(min=1, help="The grant's; by default the node's first free one.")] = None,
    redeem_by: Annotated[int | None, typer.Option(help="Unix seconds; by default the drop file's.")] = None,
) -> None:
    """Open a grant out of the fallback reserve (2 of 3 holders), and tell the hub of it."""
    place = asked.place
    name = node or _seller(place, geo)
    number = epoch or _free_epoch(place, name)
    grant = "0x" + grant_id(_drop(place), name, number).hex()
    account = _account(place, name, grant, signer)
    before = standing(place, grant)
    if before.key is None:
        leases = _leases(place, tuple(tier or ()), quota, redeem_by)
    else:
        leases = tuple(Lease(one.tier, one.start, one.quota, one.not_before, one.redeem_by) for one in before.leases)
        if before.key.lower() != account.lower():
            raise BadUsage(f"grant {grant} is open for {before.key}", "another --epoch, or that key's --signer")
    act = OpenGrant(grant, account, leases, **terms(place, asked.hours))
    carry_out(place, act, before, asked.ways)
    if asked.ways.out is None:
        _tell(place, GrantAnnouncement(1, place.drop, name, geo, number, grant, account, leases))


def _drop(place: Place) -> str:
    if not place.drop:
        raise BadUsage("a grant's id begins with the drop's name", "give --drop <its name>")
    return place.drop


def _seller(place: Place, geo: str) -> str:
    """The geography's first spare, else its first appliance."""
    if place.plan is None:
        raise BadUsage(f"this machine doesn't know the nodes of {geo}", "give --node <who is to sell>")
    nodes = [node for node in place.plan.nodes if node.geo == geo]
    if not nodes:
        names = ", ".join(one.name for one in place.plan.geographies)
        raise BadUsage(f"{place.drop} has no geography {geo}", f"its geographies are {names}")
    return min(nodes, key=lambda node: node.kind == "appliance").name


def _free_epoch(place: Place, node: str) -> int:
    drop, chain, planned = _drop(place), place.chain, place.node(node)
    with told():
        return next(
            epoch
            for epoch in count(planned.epoch + 1 if planned else FIRST_EPOCH)
            if chain.grant_key(place.contract, "0x" + grant_id(drop, node, epoch).hex()) is None
        )


def _account(place: Place, name: str, grant: str, signer: str | None) -> str:
    """Whose signatures count; a node's signer is believed for its own grant alone."""
    hint = "give --signer <the address of the key that is to sign>"
    if signer is not None:
        if not re.fullmatch(ADDRESS, signer) or int(signer, 16) == 0:
            raise BadUsage(f"--signer {signer} is no address", "it is 0x and 40 hex digits")
        return signer
    node = place.node(name)
    if node is None or place.stack is None:
        raise BadUsage(f"this machine does not know how to reach {name}", hint)
    done = Host.of_node(stacks.holder(place.stack.drop_stack, node.geo).name, node).run(ADDRESS_OF)
    if done.returncode != 0:
        raise BadUsage(f"{name}'s signer tells no key", hint)
    told_ = json.loads(done.stdout)
    if told_["grant_id"] != grant:
        raise BadUsage(f"{name}'s signer has a key for grant {told_['grant_id']}, not for {grant}", hint)
    return str(told_["key"])


def _leases(place: Place, names: tuple[str, ...], quota: int | None, redeem_by: int | None) -> tuple[Lease, ...]:
    """What is left of each tier's reserve, or as much of it as is asked."""
    with told():
        _, now = place.chain.block()
    until = redeem_by or (place.plan.redeem_by if place.plan else 0)
    begins = min(now, place.plan.opens_at) if place.plan else now
    if until <= now:
        raise BadUsage(
            f"redeem-by {until} is over" if until else "until when are its vouchers to redeem?", "--redeem-by"
        )
    found = []
    for number, tier in tiers_named(place, names).items():
        start, end = _first_free(place, number, tier), tier.first_token + tier.supply
        wanted = end - start if quota is None else quota
        if wanted > end - start:
            raise BadUsage(
                f"tier {number} has {end - start} tokens left in reserve", "a smaller --quota, or other tiers"
            )
        if wanted:
            found.append(Lease(number, start, wanted, begins, until))
    if not found:
        raise BadUsage("nothing is left in the fallback reserve", "close out or reclaim what other grants don't use")
    return tuple(found)


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


def _tell(place: Place, grant: GrantAnnouncement) -> None:
    """The ledger believes no journal of a grant that was not announced."""
    if place.hub is None:
        say("not told to a hub: no lab is known here; its ledger takes no journal of this grant until it is told")
        return
    announce_grant(place.hub.bus, grant)
    say(f"told to the hub: {grant.node} may sell from it once its signer holds key {grant.key}")
