"""A geography's front: HAProxy before its nodes, or two of them, of which one has the buyers' address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from infra.components.labels import container_labels
from infra.plan import fronts as plan
from infra.plan.model import Geography
from node_image.front import config, vrrp
from node_image.front.config import FrontNode

CONFIG = "/etc/haproxy/haproxy.cfg"
READABLE = "0444"


@dataclass(frozen=True, slots=True)
class FrontArgs:
    """Where the front stands and whom it stands before."""

    stack: str
    geography: Geography
    image: str  # a local image id
    networks: Mapping[str, pulumi.Input[str]]  # by geography: its own, and those of whoever lends to it


class Front(pulumi.ComponentResource):
    """One HAProxy container, or a pair; what they read is rendered by `node_image.front`."""

    def __init__(self, name: str, args: FrontArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edgedrop:infra:Front", name, None, opts)
        geo, made = args.geography, list[pulumi.Resource]()
        for number, one in enumerate(geo.fronts):
            legs = {leg.geo: leg.addresses[number] for leg in geo.legs}
            container = docker.Container(
                one.name,
                **_settings(args, one, legs),
                # One after the other: while one is made anew, the other one has the buyers.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=made[-1:]),
            )
            made.append(container)
        self.register_outputs({"url": geo.front_url})


def front_nodes(geo: Geography) -> tuple[FrontNode, ...]:
    """Its own, then what others lend it."""
    own = (FrontNode(node.name, node.address, node.kind, at_once=node.claims_at_once) for node in geo.at_front)
    return (*own, *(FrontNode(one.name, one.address, "lent", at_once=one.at_once) for one in geo.lent))


def files_of(geo: Geography, front: plan.Front) -> dict[str, str]:
    """What its container reads, by path."""
    files = {CONFIG: config.render(geo.name, front_nodes(geo))}
    if geo.pair:
        (peer,) = (one for one in geo.pair if one != front.address)
        half = vrrp.Half(front.address, peer, geo.front_address, first=front.address == geo.pair[0])
        files[vrrp.CONFIG] = vrrp.render(half)
    return files


def _settings(args: FrontArgs, front: plan.Front, legs: Mapping[str, str]) -> dict[str, Any]:
    uploads = [
        docker.ContainerUploadArgs(file=path, content=text, permissions=READABLE)
        for path, text in files_of(args.geography, front).items()
    ]
    networks = [
        docker.ContainerNetworksAdvancedArgs(name=args.networks[geo], ipv4_address=address)
        for geo, address in {args.geography.name: front.address, **legs}.items()
    ]
    return {
        "name": f"{args.stack}-{front.name}",
        "hostname": front.name,
        "image": args.image,
        "labels": container_labels(args.stack, "front"),
        "uploads": uploads,
        "networks_advanced": networks,
        "must_run": True,
        "restart": "unless-stopped",
    } | (_of_a_pair() if args.geography.pair else {})


def _of_a_pair() -> dict[str, Any]:
    rights = [f"CAP_{one}" for one in vrrp.CAPABILITIES]
    return {
        "command": list(vrrp.COMMAND),
        "capabilities": docker.ContainerCapabilitiesArgs(adds=rights, drops=["ALL"]),
        "destroy_grace_seconds": 5,  # it says to the other one that it goes
    }
