"""`edgedrop revoke`: two holders, for good. Honest vouchers under checkpoints redeem, the grant never opens again."""

from __future__ import annotations

from infra.errors import BadUsage
from infra.ops.acting import Epoch, Node, carry_out, terms
from infra.ops.asked import Asked, holders_command
from infra.ops.place import grant_named
from infra.ops.standing import standing
from node_image.hub.chain import Status
from node_image.protocol.acts import Revoke


@holders_command
def revoke(asked: Asked, node: Node, epoch: Epoch = None) -> None:
    """Revoke a node's grant for good (2 of 3 holders)."""
    place = asked.place
    act = Revoke(grant_named(place, node, epoch), **terms(place, asked.hours))
    before = standing(place, act.grant_id)
    if before.status is Status.NONE:
        raise BadUsage(f"grant {act.grant_id} was never opened", "name a node of the drop, or its --epoch")
    carry_out(place, act, before, asked.ways)
