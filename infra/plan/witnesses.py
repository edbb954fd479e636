"""Who at a node's place is told how far its journal goes, and may vouch for it when it starts anew."""

from __future__ import annotations

from itertools import islice

from infra.plan.model import DropPlan, Node
from node_image.protocol.witness import FRONT
from node_image.witness import PORT

PEERS = 3  # the nodes after it, round: a large place's nodes don't all tell all


def site_witnesses(plan: DropPlan, node: Node) -> dict[str, str]:
    """By the name in drop.json where each is reached (host:port): the front's, and the next nodes of its geography."""
    geo = next(one for one in plan.geographies if one.name == node.geo)
    names = [one.name for one in geo.nodes]
    at = names.index(node.name) if node.name in names else len(names)  # an elastic spare is nobody's witness
    after = islice((*geo.nodes[at + 1 :], *geo.nodes[:at]), PEERS)
    addresses = {FRONT: geo.witness_address} | {peer.name: peer.address for peer in after}
    return {name: f"{address}:{PORT}" for name, address in addresses.items()}
