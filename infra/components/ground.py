"""What stands in a geography, whichever stack holds it: boxes turned into nodes, each with its grants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.components.appliance import Appliance
from infra.components.box import Box, BoxArgs
from infra.components.spare import Spare
from infra.node_settings import NodeSettings
from infra.outputs import node_output
from infra.plan.model import DropPlan, Geography, HubAddresses, Node
from infra.resources.grant import Grant


@dataclass(frozen=True, slots=True)
class GroundArgs:
    """`settings` by node; `images` are local image ids by name."""

    stack: str
    plan: DropPlan
    geography: Geography
    hub: HubAddresses
    hub_network: str
    images: Mapping[str, str]
    authorized_key: str
    settings: Mapping[str, NodeSettings]
    contract: pulumi.Input[str]


class Ground(pulumi.ComponentResource):
    """Boxes -> nodes -> grants."""

    nodes: dict[str, pulumi.Output[dict[str, object]]]  # what the stack tells of each node
    grants: dict[str, pulumi.Output[str]]  # grant id -> its key's address

    def __init__(self, kind: str, name: str, args: GroundArgs, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(kind, name, None, opts)
        self._ground = args
        self.nodes, self.grants = {}, {}

    def _node(self, node: Node, network: pulumi.Input[str]) -> None:
        args, settings, child = self._ground, self._ground.settings[node.name], pulumi.ResourceOptions(parent=self)
        place = BoxArgs(settings.host, node, args.images["box"], network, args.hub_network, args.authorized_key)
        box = Box(node.name, place, child)
        filled: pulumi.Resource = (
            Appliance(node.name, settings, box, node.target, child)
            if node.kind == "appliance"
            else Spare(node.name, settings, box, child)
        )
        before: pulumi.Resource = filled
        for first, one in zip((True, *(False for _ in node.later)), node.each(), strict=True):
            grant = Grant(
                f"{node.name}-grant" if first else f"{node.name}-grant-{one.epoch}",
                args.plan,
                one,
                settings.host,
                rpc=args.hub.chain_url,
                bus=args.hub.bus,
                contract=args.contract,
                opts=box.inside(self, depends_on=[before]),
            )
            before, self.grants[one.grant_id] = grant, grant.key
        self.nodes[node.name] = box.ready.host_key.apply(lambda key: node_output(node, settings.host, key))
