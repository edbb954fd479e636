"""`edgedrop fallback open`: two holders open a grant out of a tier's fallback reserve, which no operator can touch.

It is the next epoch of a node: on record before anything is done, its key made in the node's HSM, its leases opened by
the holders' act alone; then it sells as any other epoch does. The same command goes on where a killed one stood, or
where one wrote the act to a file. With --signer the key is somebody else's, and all that is done is the grant.
"""

from __future__ import annotations

import re
from itertools import count
from typing import Annotated

import msgspec
import typer

from infra import epochs
from infra.epochs import Recorded
from infra.errors import BadUsage
from infra.ops.acting import carry_out, terms
from infra.ops.aside import aside
from infra.ops.asked import Asked, holders_command
from infra.ops.epoch import Known, finish, given, known_node, prove, ranges
from infra.ops.output import confirm, say
from infra.ops.place import ADDRESS, FIRST_EPOCH, Place, told
from infra.ops.reserve import NothingLeft, Part, leases_out_of, still_free
from infra.ops.standing import standing
from infra.ops.up import bring_up
from infra.plan.model import Lease, Node
from infra.provision import wait
from infra.provision.ssh import Host
from infra.resources.announce import announce_grant
from node_image.hub.chain import Status
from node_image.protocol import lease
from node_image.protocol.acts import OpenGrant
from node_image.protocol.announcement import GrantAnnouncement
from node_image.protocol.eip712 import grant_id

app = typer.Typer(help="The reserve that is kept back for when a key is suspected.", no_args_is_help=True)
SUSPECTED = (Status.FROZEN, Status.REVOKED)


@app.callback()
def fallback() -> None:
    """The reserve that is kept back for when a key is suspected."""


@app.command("open")
@holders_command
def open_(
    asked: Asked,
    geo: Annotated[str, typer.Option(help="The geography that is to go on.")],
    node: Annotated[
        str | None, typer.Option(help="Who sells from it; by default the first spare that nobody suspects.")
    ] = None,
    tier: Annotated[list[str] | None, typer.Option(help="A tier, by name or number; all where none is named.")] = None,
    quota: Annotated[int | None, typer.Option(min=1, help="Tokens of each tier; by default all that is left.")] = None,
    signer: Annotated[
        str | None, typer.Option(help="A key's address elsewhere; by default the node makes one in its HSM.")
    ] = None,
    epoch: Annotated[
        int | None, typer.Option(min=1, help="With --signer: the grant's; by default the node's first free one.")
    ] = None,
    redeem_by: Annotated[int | None, typer.Option(help="Unix seconds; by default the drop file's.")] = None,
) -> None:
    """Open a node's next epoch out of the fallback reserve (2 of 3 holders); the node sells from it."""
    place = asked.place
    name, part = node or _seller(place, geo), Part(tuple(tier or ()), quota, redeem_by)
    if signer is not None:
        number = epoch or _free_epoch(place, name)
        grant = "0x" + grant_id(_drop(place), name, number).hex()
        _for_key(asked, GrantAnnouncement(1, place.drop, name, geo, number, grant, _address(signer), ()), part)
    elif place.plan is None or place.stack is None:
        raise BadUsage(f"this machine does not know how to reach {name}", "give --signer <the key that is to sign>")
    elif epoch is not None:
        raise BadUsage("--epoch goes with --signer", f"{name} gets its next epoch; without --epoch it goes on with it")
    else:
        _for_node(asked, known_node(place, name), part)


def _for_node(asked: Asked, known: Known, part: Part) -> None:
    """Its next epoch: recorded, its key made, opened by the holders, sold from."""
    place, name = known.place, known.node.name
    wanted = _wanted(known, part)
    grant = known.grant_id(wanted.epoch)
    before = standing(place, grant)
    if before.key is None:
        wanted, key = _key(asked, known, wanted, part)
    else:  # what the holders opened is what they signed, whatever was recorded since
        wanted, key = msgspec.structs.replace(wanted, leases=given(before)), before.key
    act = OpenGrant(grant, key, _signed(wanted.leases), **terms(place, asked.hours))
    carry_out(place, act, before, asked.ways, {"node": name, "epoch": wanted.epoch})
    if asked.ways.out is not None and before.key is None:
        say(f"once it is submitted, type this again without --out: {name} then sells from it")
        return
    _sell(known, wanted)


def _wanted(known: Known, part: Part) -> Recorded:
    """The epoch that was begun and not finished, else the next one; nothing is changed yet."""
    name, begun = known.node.name, known.latest()
    if begun is not None and not begun.done:
        if not begun.reserve:
            raise BadUsage(f"a rotation of {name} was begun", f"first: edgedrop rotate {name}, which goes on with it")
        say(f"epoch {begun.epoch} of {name} was begun before: this goes on with it")
        return begun
    for one in known.node.each():
        if _suspected(known.place, one):
            say(f"[bold yellow]{name} sells from its oldest epoch first, and epoch {one.epoch} is suspected[/]")
    for other in epochs.awaiting(known.stack.name):
        say(f"[bold yellow]{other} waits for the holders, too: whoever is opened first has the tokens[/]")
    return Recorded(known.next_epoch(), leases=leases_out_of(known.place, part), reserve=True)


def _key(asked: Asked, known: Known, wanted: Recorded, part: Part) -> tuple[Recorded, str]:
    """On record, and the address of the key that the node made for it; its leases may change until holders sign."""
    name, grant = known.node.name, known.grant_id(wanted.epoch)
    host = Host.of_node(known.holder.name, known.node)
    key = wait.told_key(host, grant)
    if not key:
        confirm(f"have {name} make a key for epoch {wanted.epoch}", yes=asked.ways.yes)
    wanted = _recorded(known, wanted, part)
    if not key:
        with aside(known.stack.name, known.geography, name):
            bring_up((known.holder,), {name})
            key = wait.signer_key(host, grant)
    say(f"{name} holds key {key} for epoch {wanted.epoch}: {ranges(known.plan, wanted.leases)}")
    return wanted, key


def _recorded(known: Known, wanted: Recorded, part: Part) -> Recorded:
    """What is asked for now; where nothing is said, what was recorded, if nobody was given it meanwhile."""
    name = known.node.name
    if part == Part() and known.latest() == wanted:
        if not still_free(known.place, wanted.leases):
            raise BadUsage(
                f"some of {ranges(known.plan, wanted.leases)} was opened for another grant meanwhile",
                f"say what {name} is to get now: --tier, --quota",
            )
        return wanted
    with epochs.alone():
        try:
            wanted = msgspec.structs.replace(wanted, leases=leases_out_of(known.place, part))
        except NothingLeft:  # nor ever for this epoch: no rotation is to wait for it
            epochs.drop_newest(known.stack.name, name)
            raise
        epochs.put(known.stack.name, name, wanted)
    return wanted


def _sell(known: Known, wanted: Recorded) -> None:
    """The grant is open: its leases go to the node, as those of every epoch do."""
    wanted = msgspec.structs.replace(wanted, opened=True)
    epochs.put(known.stack.name, known.node.name, wanted)
    bring_up((known.holder,))
    prove(known, wanted)
    finish(known, wanted)
    say(f"{known.node.name} sells from it: epoch {wanted.epoch}, {ranges(known.plan, wanted.leases)}")


def _for_key(asked: Asked, grant: GrantAnnouncement, part: Part) -> None:
    """A grant for a key that is not a node's of ours, as yet without its leases: opened, and told to the hub."""
    place, before = asked.place, standing(asked.place, grant.grant_id)
    if before.key is not None and before.key.lower() != grant.key.lower():
        raise BadUsage(f"grant {grant.grant_id} is open for {before.key}", "another --epoch, or that key's --signer")
    leases = _signed(leases_out_of(place, part) if before.key is None else given(before))
    act = OpenGrant(grant.grant_id, grant.key, leases, **terms(place, asked.hours))
    carry_out(place, act, before, asked.ways)
    if asked.ways.out is None:
        _tell(place, msgspec.structs.replace(grant, leases=leases))


def _signed(leases: tuple[Lease, ...]) -> tuple[lease.Lease, ...]:
    """As an act and an announcement have them."""
    return tuple(lease.Lease(one.tier, one.start, one.quota, one.not_before, one.redeem_by) for one in leases)


def _drop(place: Place) -> str:
    if not place.drop:
        raise BadUsage("a grant's id begins with the drop's name", "give --drop <its name>")
    return place.drop


def _seller(place: Place, geo: str) -> str:
    """Who was begun with; else the first spare, else the first appliance, of those whose key nobody suspects."""
    if place.plan is None:
        raise BadUsage(f"this machine doesn't know the nodes of {geo}", "give --node <who is to sell>")
    nodes = [node for node in place.plan.nodes if node.geo == geo]
    if not nodes:
        names = ", ".join(one.name for one in place.plan.geographies)
        raise BadUsage(f"{place.drop} has no geography {geo}", f"its geographies are {names}")
    begun = epochs.awaiting(place.stack.name) if place.stack else ()

    def worth(node: Node) -> tuple[bool, ...]:
        return node.name not in begun, _suspected(place, *node.each()), node.kind == "appliance"

    return min(nodes, key=worth).name


def _suspected(place: Place, *epochs_: Node) -> bool:
    with told():
        return any(place.chain.status(place.contract, one.grant_id) in SUSPECTED for one in epochs_)


def _free_epoch(place: Place, node: str) -> int:
    drop, chain, planned = _drop(place), place.chain, place.node(node)
    with told():
        return next(
            epoch
            for epoch in count(planned.epoch + 1 if planned else FIRST_EPOCH)
            if chain.grant_key(place.contract, "0x" + grant_id(drop, node, epoch).hex()) is None
        )


def _address(signer: str) -> str:
    if not re.fullmatch(ADDRESS, signer) or int(signer, 16) == 0:
        raise BadUsage(f"--signer {signer} is no address", "it is 0x and 40 hex digits")
    return signer


def _tell(place: Place, grant: GrantAnnouncement) -> None:
    """The ledger believes no journal of a grant that was not announced."""
    if place.hub is None:
        say("not told to a hub: no lab is known here; its ledger takes no journal of this grant until it is told")
        return
    announce_grant(place.hub.bus, grant)
    say(f"told to the hub: {grant.node} may sell from it once its signer holds key {grant.key}")
