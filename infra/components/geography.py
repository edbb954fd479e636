"""A geography: its network, its boxes turned into nodes, its front with the witness beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import pulumi
import pulumi_docker as docker

from infra.components.appliance import Appliance
from infra.components.box import Box, BoxArgs
from infra.components.front import Front, FrontArgs
from infra.components.labels import network_labels
from infra.components.spare import Spare
from infra.components.witness import Witness, WitnessArgs
from infra.node_settings import Laid, NodeSettings
from infra.outputs import node_output
from infra.plan.model import CloudGrant, DropPlan, Geography, HubAddresses, Node
from infra.resources.grant import CloudSide, Grant
from node_image.protocol.facts import DropFacts


@dataclass(frozen=True, slots=True)
class GeographyArgs:
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
    cloud: Mapping[str, DropFacts]  # by grant, what the cloud signer is told of it
    witness: Laid  # files of the one beside the front


class GeographyGround(pulumi.ComponentResource):
    """Network -> boxes -> nodes -> grants; front and witness beside them."""

    nodes: dict[str, pulumi.Output[dict[str, object]]]  # what the stack tells of each node
    grants: dict[str, pulumi.Output[str]]  # grant id -> its key's address

    def __init__(self, name: str, args: GeographyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edgedrop:infra:Geography", name, None, opts)
        self._args = args
        self.nodes, self.grants = {}, {}
        self._network = docker.Network(
            f"{name}-network",
            name=f"{args.stack}-{name}",
            driver="bridge",
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=args.geography.subnet)],
            labels=network_labels(args.stack, "geography"),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        for node in args.geography.nodes:
            self._node(node)
        for grant in args.geography.cloud:
            self._cloud(grant)
        front = FrontArgs(args.stack, args.geography, args.images["front"], self._network.name)
        Front(f"{name}-front", front, pulumi.ResourceOptions(parent=self))
        Witness(f"{name}-witness", self._witness(), pulumi.ResourceOptions(parent=self))
        self.register_outputs({})

    def _witness(self) -> WitnessArgs:
        args = self._args
        image, network = args.images["courier"], self._network.name
        return WitnessArgs(args.stack, args.plan.drop, args.geography, image, network, args.witness)

    def _node(self, node: Node) -> None:
        args, settings, child = self._args, self._args.settings[node.name], pulumi.ResourceOptions(parent=self)
        place = BoxArgs(
            settings.host, node, args.images["box"], self._network.name, args.hub_network, args.authorized_key
        )
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

    def _cloud(self, held: CloudGrant) -> None:
        """In the hub and not in the box: it outlives a box that is made anew."""
        args = self._args
        grant = Grant(
            f"{held.name}-grant",
            args.plan,
            held,
            args.settings[held.node].host,
            rpc=args.hub.chain_url,
            bus=args.hub.bus,
            contract=args.contract,
            cloud=CloudSide(args.hub.cloud_signer_place, msgspec.json.encode(args.cloud[held.name]).decode()),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.grants[held.grant_id] = grant.key
