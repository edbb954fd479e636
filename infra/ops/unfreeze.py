"""`edgedrop unfreeze`: two holders take a freeze back; the grant is what it was before, open or closed."""

from __future__ import annotations

from infra.errors import BadUsage
from infra.ops.acting import (
    AsJson,
    Contract,
    Drop,
    Epoch,
    Hours,
    Keys,
    Node,
    Out,
    Pay,
    Rpc,
    Ways,
    Yes,
    carry_out,
    terms,
)
from infra.ops.place import find_place, grant_named
from infra.ops.standing import standing
from node_image.hub.chain import Status
from node_image.protocol.acts import Unfreeze


def unfreeze(
    node: Node,
    drop: Drop = None,
    epoch: Epoch = None,
    key: Keys = None,
    pay: Pay = None,
    out: Out = None,
    hours: Hours = 72,
    rpc: Rpc = None,
    contract: Contract = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Unfreeze a node's grant: all that its key signed redeems again (2 of 3 holders)."""
    place = find_place(drop, rpc, contract)
    act = Unfreeze(grant_named(place, node, epoch), **terms(place, hours))
    before = standing(place, act.grant_id)
    if before.status in {Status.NONE, Status.REVOKED}:
        why = "was never opened" if before.status is Status.NONE else "is revoked, and that is for good"
        raise BadUsage(f"grant {act.grant_id} {why}", "open another one: edgedrop fallback open")
    carry_out(place, act, before, Ways(tuple(key or ()), pay, out, yes, as_json))
