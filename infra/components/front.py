"""A geography's front: HAProxy before its nodes."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.components.labels import container_labels
from infra.plan.model import Geography
from node_image.front.config import FrontNode, render

CONFIG = "/etc/haproxy/haproxy.cfg"


@dataclass(frozen=True, slots=True)
class FrontArgs:
    """Where the front stands and whom it stands before."""

    stack: str
    geography: Geography
    image: str  # a local image id
    network: pulumi.Input[str]


class Front(pulumi.ComponentResource):
    """One HAProxy container; its configuration is rendered by `node_image.front`."""

    container: docker.Container

    def __init__(self, name: str, args: FrontArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edgedrop:infra:Front", name, None, opts)
        geo = args.geography
        nodes = tuple(FrontNode(node.name, node.address, node.kind, at_once=node.claims_at_once) for node in geo.nodes)
        self.container = docker.Container(
            name,
            name=f"{args.stack}-{name}",
            hostname=name,
            image=args.image,
            labels=container_labels(args.stack, "front"),
            uploads=[docker.ContainerUploadArgs(file=CONFIG, content=render(geo.name, nodes), permissions="0444")],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network, ipv4_address=geo.front_address)],
            must_run=True,
            restart="unless-stopped",
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.register_outputs({"url": geo.front_url})
