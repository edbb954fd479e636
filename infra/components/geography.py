"""A geography: its network, its boxes turned into nodes, its front with the witness beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import pulumi
import pulumi_docker as docker

from infra.components.front import Front, FrontArgs
from infra.components.ground import Ground, GroundArgs
from infra.components.labels import network_labels
from infra.components.witness import Witness, WitnessArgs
from infra.node_settings import Laid
from infra.plan.model import CloudGrant
from infra.resources.grant import CloudSide, Grant
from node_image.protocol.facts import DropFacts


@dataclass(frozen=True, slots=True)
class GeographyArgs:
    """Its nodes' ground, and what stands beside them."""

    ground: GroundArgs
    cloud: Mapping[str, DropFacts]  # by grant, what the cloud signer is told of it
    witness: Laid  # files of the one beside the front


class GeographyGround(Ground):
    """Network -> boxes -> nodes -> grants; front and witness beside them."""

    def __init__(self, name: str, args: GeographyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edgedrop:infra:Geography", name, args.ground, opts)
        self._args, geo = args, args.ground.geography
        self._network = docker.Network(
            f"{name}-network",
            name=f"{args.ground.stack}-{name}",
            driver="bridge",
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=geo.subnet)],
            labels=network_labels(args.ground.stack, "geography"),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        for node in geo.nodes:
            self._node(node, self._network.name)
        for grant in geo.cloud:
            self._cloud(grant)
        Witness(f"{name}-witness", self._witness(), pulumi.ResourceOptions(parent=self))

    @property
    def network(self) -> pulumi.Output[str]:
        """The network's name, once it is there."""
        return self._network.name

    def stand_front(self, networks: Mapping[str, pulumi.Input[str]]) -> None:
        """When all geographies have their networks: its front has a leg in those of whoever lends to it."""
        ground = self._args.ground
        front = FrontArgs(ground.stack, ground.geography, ground.images["front"], networks)
        Front(f"{ground.geography.name}-front", front, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})

    def _witness(self) -> WitnessArgs:
        ground = self._args.ground
        image, network = ground.images["courier"], self._network.name
        return WitnessArgs(ground.stack, ground.plan.drop, ground.geography, image, network, self._args.witness)

    def _cloud(self, held: CloudGrant) -> None:
        """In the hub and not in the box: it outlives a box that is made anew."""
        args, told = self._args.ground, self._args.cloud[held.name]
        grant = Grant(
            f"{held.name}-grant",
            args.plan,
            held,
            args.settings[held.node].host,
            rpc=args.hub.chain_url,
            bus=args.hub.bus,
            contract=args.contract,
            cloud=CloudSide(args.hub.cloud_signer_place, msgspec.json.encode(told).decode()),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.grants[held.grant_id] = grant.key
