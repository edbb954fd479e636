"""`edgedrop freeze`: one holder, at once. From then on only what an anchored checkpoint proves redeems."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from infra.audit import audited
from infra.errors import BadUsage, EdgedropError, FaultyFile
from infra.ops import effects
from infra.ops.acting import AsJson, Contract, Drop, Epoch, Keys, Node, Pay, Rpc, Ways, Yes, report, submit, terms
from infra.ops.holder_keys import address, holders_here
from infra.ops.output import confirm, say
from infra.ops.place import Place, find_place, grant_named, told
from infra.ops.standing import standing
from node_image.hub import calls
from node_image.hub.chain import ChainRefused, Status
from node_image.hub.redemption import Reason
from node_image.protocol import collected as collecting
from node_image.protocol.acts import Freeze
from node_image.protocol.collected import Collected
from node_image.protocol.voucher import Voucher


def freeze(
    node: Node,
    drop: Drop = None,
    epoch: Epoch = None,
    key: Keys = None,
    pay: Pay = None,
    voucher: Annotated[
        Path | None, typer.Option(help="A voucher of this grant: what the contract now says to it is told.")
    ] = None,
    rpc: Rpc = None,
    contract: Contract = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Freeze a node's grant: vouchers outside the anchored checkpoints stop redeeming until it is unfrozen."""
    place = find_place(drop, rpc, contract)
    ways = Ways(tuple(key or ()), pay, yes=yes, as_json=as_json)
    asked = _voucher(voucher) if voucher else None
    act = Freeze(grant_named(place, node, epoch), **terms(place, 1))
    before = standing(place, act.grant_id)
    before.tell()
    if before.status is Status.NONE:
        raise BadUsage(f"grant {act.grant_id} was never opened", "name a node of the drop, or its --epoch")
    receipt = None
    if before.status not in {Status.FROZEN, Status.REVOKED}:
        say(act.words())
        receipt = _send(place, act, ways)
    report(place, act, before, ways, receipt, {"voucher": _judged(place, asked)} if asked else None)


def _send(place: Place, act: Freeze, ways: Ways) -> Mapping[str, Any] | None:
    """By the holder's own transaction where it has ether, else with its signature in another's."""
    with told():
        keys = holders_here(ways.keys, place.chain.holders(place.contract))
        if not keys:
            raise BadUsage("no holder's key is on this machine", "give --key <file>; any one of the three may freeze")
        holder, key = next(iter(keys.items()))
        confirm(f"freeze it as holder {holder}", yes=ways.yes)
        if ways.pay is None and place.chain.balance(address(key)):
            try:
                with audited("Freeze", place.trail, [act.grant_id]):
                    return place.chain.send(key, place.contract, calls.freeze(act.grant_id))
            except ChainRefused:
                if effects.done(place.chain, place.contract, act):
                    return None
                raise
        wanted = Collected(1, place.chain_id, place.contract, act)
        signed = collecting.sign(wanted, key, place.chain.holders(place.contract))
    return submit(place, signed, ways.pay, [])


def _voucher(file: Path) -> Voucher:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Voucher)
    except OSError as fault:
        raise BadUsage(f"{file}: {fault.strerror}", "give the voucher's file") from fault
    except msgspec.DecodeError as fault:
        raise FaultyFile(f"{file.name} is no voucher: {fault}", "give the file as the claim page saved it") from fault


def _judged(place: Place, voucher: Voucher) -> str:
    """The contract is asked as if somebody redeemed it now, with no checkpoint's proof."""
    with told():
        reason = place.chain.reason(place.contract, msgspec.to_builtins(voucher))
    if reason in {Reason.NONE, Reason.UNPAID}:
        raise EdgedropError("an unproven voucher would still redeem", "is it a voucher of this very grant?")
    say(f"the voucher, unproven, is refused: {reason.name.lower()}")
    return reason.name.lower()
