"""`edgedrop revoke`: two holders, for good. Honest vouchers under checkpoints redeem, the grant never opens again."""

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
from node_image.protocol.acts import Revoke


def revoke(
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
    """Revoke a node's grant for good (2 of 3 holders)."""
    place = find_place(drop, rpc, contract)
    act = Revoke(grant_named(place, node, epoch), **terms(place, hours))
    before = standing(place, act.grant_id)
    if before.status is Status.NONE:
        raise BadUsage(f"grant {act.grant_id} was never opened", "name a node of the drop, or its --epoch")
    carry_out(place, act, before, Ways(tuple(key or ()), pay, out, yes, as_json))
