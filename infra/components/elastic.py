"""Spares of a geography above its `min`: in a stack that only the hub updates, on the network of the drop's own."""

from __future__ import annotations

from collections.abc import Sequence

from infra.components.ground import Ground, GroundArgs
from infra.plan.model import Node


class ElasticGround(Ground):
    """As a geography's spares, each with the one grant that it came up for."""

    def __init__(self, name: str, args: GroundArgs, spares: Sequence[Node], network: str) -> None:
        super().__init__("edgedrop:infra:Elastic", name, args, None)
        for spare in spares:
            self._node(spare, network)
        self.register_outputs({})
