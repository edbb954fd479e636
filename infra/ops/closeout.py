"""`edgedrop closeout`: a node's grant ends for good, each lease at its high seq; the rest of its tokens is free again.

The node's signer writes its last frame (CLOSE) and signs the high seqs with the lease key. The hub's key agrees once
the ledger holds that frame, not before: a copy of the node's disk from before it would go on selling what the chain has
freed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from coincurve import PrivateKey

from infra import keys, stacks
from infra.audit import audited
from infra.errors import BadUsage, EdgedropError, NotVerified, Unreachable
from infra.home import home, write_private
from infra.ops.acting import AsJson, Contract, Drop, Epoch, Node, Pay, Rpc, Yes
from infra.ops.holder_keys import payer, read_key
from infra.ops.output import confirm, say, tell
from infra.ops.place import Place, ask_ledger, find_place, grant_named, told
from infra.ops.standing import Standing, standing
from infra.plan.model import CloudGrant
from infra.provision import cloud
from infra.provision.ssh import Host
from node_image.hub import calls
from node_image.hub.chain import ChainRefused, Status
from node_image.protocol import closeout as node_closeout
from node_image.protocol.acts import close_out_hash
from node_image.protocol.eip712 import Domain, digest
from node_image.protocol.errors import ProtocolError
from node_image.protocol.signature import recover, to_rsv

HUB = "hub.key"
CLOSE = "docker exec -i edgedrop-signer python3 -m node_image.signer close"
CLOSE_S = 60
LEDGER_S = 30.0
POLL_S = 0.5
OFFLINE = (
    "give --high-seqs and --signature, as the signer printed them on the node; --command-out writes what it is told"
)


class Closed(msgspec.Struct, frozen=True):
    """What a signer says once it has closed its journal; by tier, every seq below was given."""

    high_seqs: tuple[int, ...]
    signature: str


def closeout(
    node: Node,
    drop: Drop = None,
    epoch: Epoch = None,
    high_seqs: Annotated[
        str | None, typer.Option(metavar="N,N,..", help="By tier, as the node's signer said when it closed.")
    ] = None,
    signature: Annotated[str | None, typer.Option(help="The lease key's, as the node's signer gave it.")] = None,
    command_out: Annotated[
        Path | None, typer.Option(help="Only write the owner's command, for a node that can't be reached from here.")
    ] = None,
    no_ledger: Annotated[
        bool, typer.Option("--no-ledger", help="You know otherwise that the ledger holds the node's CLOSE frame.")
    ] = False,
    hub_key: Annotated[
        Path | None, typer.Option(help="The hub's key file; this machine's where none is named.")
    ] = None,
    pay: Pay = None,
    rpc: Rpc = None,
    contract: Contract = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Close a node's grant out: it signs nothing more, what it gave redeems, the rest may be leased again."""
    place = find_place(drop, rpc, contract)
    before = standing(place, grant_named(place, node, epoch))
    before.tell()
    if before.status is Status.CLOSED:
        _report(place, before, None, as_json=as_json)
        return
    only_open(before)
    if command_out is not None:
        write_private(command_out, _command(place, node, epoch, before.grant_id))
        say(f"{command_out}: on the node, type: {CLOSE} < {command_out.name}")
        return
    hub = read_key(hub_key or home() / "keys" / HUB)
    given = _given(high_seqs, signature)
    confirm(f"close {node} for ever and free what it has not given", yes=yes)
    closed = given or _close(place, node, _command(place, node, epoch, before.grant_id))
    _check(place, before, closed)
    if not no_ledger:
        _await_ledger(place, before.grant_id)
    _report(place, before, _submit(place, before, closed, hub, pay), as_json=as_json)


def only_open(before: Standing) -> None:
    """No other grant is closed out."""
    if before.status is not Status.OPEN:
        raise BadUsage(
            f"the grant is {before.status.name.lower()}: only an open one is closed out",
            "unfreeze it first; what is left of a revoked one comes back by edgedrop reclaim, after redeem-by",
        )


def close_out(place: Place, node: str, epoch: int) -> Standing:
    """The same as a step of another command: what the chain says of the grant once it is closed."""
    before = standing(place, grant_named(place, node, epoch))
    if before.status is Status.CLOSED:
        return before
    only_open(before)
    hub = read_key(home() / "keys" / HUB)
    closed = _close(place, node, _command(place, node, epoch, before.grant_id))
    _check(place, before, closed)
    _await_ledger(place, before.grant_id)
    _submit(place, before, closed, hub, None)
    return standing(place, before.grant_id)


def _given(high_seqs: str | None, signature: str | None) -> Closed | None:
    if (high_seqs is None) is not (signature is None):
        raise BadUsage("--high-seqs and --signature belong together", OFFLINE)
    if high_seqs is None or signature is None:
        return None
    try:
        bytes.fromhex(signature.removeprefix("0x"))
        return Closed(tuple(int(one) for one in high_seqs.split(",")), signature)
    except ValueError as fault:
        raise BadUsage(f"--high-seqs or --signature: {fault}", OFFLINE) from fault


def _command(place: Place, name: str, epoch: int | None, grant_id: str) -> bytes:
    """The owner's word to the node's signer."""
    node = place.holder(name, epoch)
    if node is None:
        raise BadUsage(f"this machine does not know {name} as its plan has it", OFFLINE)
    command = node_closeout.Command(1, place.drop, name, node.epoch, grant_id)
    return node_closeout.sign(command, keys.owner_pem())


def _close(place: Place, name: str, command: bytes) -> Closed:
    """The grant's signer closes its journal; again it gives the same answer."""
    node = place.holder(name)
    if node is None or place.stack is None or place.hub is None:
        raise BadUsage(f"this machine does not know how to reach {name}", OFFLINE)
    if isinstance(node, CloudGrant):
        return msgspec.convert(cloud.close(place.hub.cloud_signer_place, name, command), Closed)
    stack = stacks.holder(place.stack.drop_stack, node.geo, elastic=node.elastic)
    done = Host.of_node(stack.name, node).run(CLOSE, stdin=command, seconds=CLOSE_S)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unreachable(f"{name} did not close: {words[0] if words else done.returncode}", OFFLINE)
    try:
        return msgspec.json.decode(done.stdout, type=Closed)
    except msgspec.DecodeError as fault:
        raise Unreachable(f"{name}'s signer tells no close-out: {fault}", "its release may not know it yet") from fault


def _await_ledger(place: Place, grant_id: str) -> None:
    """Until the ledger holds the node's last frame."""
    deadline = time.monotonic() + LEDGER_S
    while True:
        found, unseen = ask_ledger(place, f"/v1/drops/{place.drop}")
        if any(one["grant_id"] == grant_id and one["closed"] for one in (found or {}).get("grants", ())):
            return
        if place.hub is None or time.monotonic() > deadline:
            seen = unseen or "it does not hold it yet"
            raise Unreachable(
                f"the hub agrees only once the ledger holds the node's CLOSE frame: {seen}",
                "the node has closed and stays so; type the same again when its journal can reach the hub",
            )
        time.sleep(POLL_S)  # the pace of asking


def _check(place: Place, before: Standing, closed: Closed) -> None:
    """What the contract would refuse, told before anything is sent."""
    held = {one.tier: one for one in before.leases}
    with told():
        tiers = len(place.chain.tiers(place.contract))
    if len(closed.high_seqs) != tiers:
        raise BadUsage(f"{len(closed.high_seqs)} high seqs for {tiers} tiers", "one for each tier of the drop")
    for tier, high in enumerate(closed.high_seqs):
        quota, covered = (held[tier].quota, held[tier].covered) if tier in held else (0, 0)
        if not covered <= high <= quota:
            raise NotVerified(
                f"tier {tier} can't end at seq {high}: {covered} are anchored, {quota} are leased",
                "a journal that knows less than the chain is an older copy: edgedrop journal check",
            )
        say(f"tier {tier}: ends at seq {high}, {quota - high} tokens are free again")
    try:
        signer = recover(_digest(place, before.grant_id, closed.high_seqs), bytes.fromhex(closed.signature[2:]))
    except ProtocolError as fault:
        raise NotVerified(f"the close-out's signature: {fault}", OFFLINE) from fault
    if "0x" + signer.hex() != (before.key or "").lower():
        raise NotVerified(f"the close-out is signed by 0x{signer.hex()}, the grant's key is {before.key}", OFFLINE)


def _submit(place: Place, before: Standing, closed: Closed, hub: str, pay: Path | None) -> Mapping[str, Any] | None:
    private = PrivateKey.from_hex(hub.removeprefix("0x"))
    hashed = _digest(place, before.grant_id, closed.high_seqs)
    raw = private.sign_recoverable(hashed, hasher=None)[:64]
    agreed = to_rsv(hashed, raw, private.public_key.format(compressed=False))
    data = calls.close_out(before.grant_id, closed.high_seqs, bytes.fromhex(closed.signature[2:]), agreed)
    with told():
        try:
            with audited("CloseOut", place.trail, [before.grant_id]):
                return place.chain.send(payer(place, pay, [hub]), place.contract, data)
        except ChainRefused:
            if place.chain.status(place.contract, before.grant_id) is Status.CLOSED:
                return None  # another process was first
            raise


def _digest(place: Place, grant_id: str, high_seqs: tuple[int, ...]) -> bytes:
    domain = Domain(place.chain_id, bytes.fromhex(place.contract[2:]))
    return digest(domain.separator, close_out_hash(bytes.fromhex(grant_id[2:]), high_seqs))


def _report(place: Place, before: Standing, receipt: Mapping[str, Any] | None, *, as_json: bool) -> None:
    now = standing(place, before.grant_id) if receipt else before
    tx = "0x" + bytes(receipt["transactionHash"]).hex() if receipt else None
    block = receipt["blockNumber"] if receipt else None
    say(f"done: transaction {tx}, block {block}" if receipt else "done already: nothing was sent")
    say(
        f"the chain says: {now.status.name.lower()}, {', '.join(f'tier {one.tier}: {one.quota}' for one in now.leases)}"
    )
    if as_json:
        tell(
            {
                "act": "CloseOut",
                "contract": place.contract,
                "chain_id": place.chain_id,
                "before": before.data(),
                "already": receipt is None,
                "tx": tx,
                "block": block,
                "now": now.data(),
                "unseen": list(before.unseen),
            }
        )
    if now.status is not Status.CLOSED:
        raise EdgedropError(f"the chain says {now.status.name.lower()}", "type the same again")
