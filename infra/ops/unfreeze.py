"""`edgedrop unfreeze`: two holders take a freeze back; the grant is what it was before, open or closed."""

from __future__ import annotations

from infra.errors import BadUsage
from infra.ops.acting import Epoch, Node, carry_out, terms
from infra.ops.asked import Asked, holders_command
from infra.ops.place import grant_named
from infra.ops.standing import standing
from node_image.hub.chain import Status
from node_image.protocol.acts import Unfreeze


@holders_command
def unfreeze(asked: Asked, node: Node, epoch: Epoch = None) -> None:
    """Unfreeze a node's grant: all that its key signed redeems again (2 of 3 holders)."""
    place = asked.place
    act = Unfreeze(grant_named(place, node, epoch), **terms(place, asked.hours))
    before = standing(place, act.grant_id)
    if before.status in {Status.NONE, Status.REVOKED}:
        why = "was never opened" if before.status is Status.NONE else "is revoked, and that is for good"
        raise BadUsage(f"grant {act.grant_id} {why}", "open another one: edgedrop fallback open")
    carry_out(place, act, before, asked.ways)
