"""The lab's hub: one network and the services that all drops share, as `node_image/hub/spec.py` says them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.components.labels import container_labels, network_labels, volume_labels
from infra.plan.model import HubAddresses
from node_image.hub.spec import HubContainer

REGISTRY = "registry"
PROGRAMS = "hub"  # the image of our own services: they start on ground that answers


@dataclass(frozen=True, slots=True)
class LabArgs:
    """`images` are local image ids by name; `containers` what stands in the hub."""

    stack: str
    hub: HubAddresses
    images: dict[str, str]
    containers: tuple[HubContainer, ...]


class Lab(pulumi.ComponentResource):
    """Network, volumes and containers of the hub, each at its planned address."""

    def __init__(self, name: str, args: LabArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edgedrop:infra:Lab", name, None, opts)
        self._args = args
        self._network = docker.Network(
            "hub",
            name=f"{args.stack}-hub",
            driver="bridge",
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=args.hub.subnet, ip_range=args.hub.dynamic_range)],
            labels=network_labels(args.stack, "hub"),
            opts=self._child(),
        )
        ground = [self._container(service, []) for service in args.containers if service.image != PROGRAMS]
        for service in args.containers:
            if service.image == PROGRAMS:
                self._container(service, ground)
        self.register_outputs({})

    def _container(self, service: HubContainer, after: Sequence[pulumi.Resource]) -> docker.Container:
        args = self._args
        return docker.Container(
            service.name,
            name=f"{args.stack}-{service.name}",
            hostname=service.name,
            image=args.images[service.image],
            command=list(service.command) or None,
            envs=[f"{key}={value}" for key, value in service.env],
            labels=container_labels(args.stack, service.name),
            uploads=[
                docker.ContainerUploadArgs(
                    file=file.path,
                    content=pulumi.Output.secret(file.content) if file.secret else file.content,
                    permissions=file.mode,
                )
                for file in service.files
            ],
            volumes=[self._volume(service, volume.suffix, volume.path) for volume in service.volumes],
            ports=_published(service, args.hub),
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(
                    name=self._network.name, ipv4_address=getattr(args.hub, service.address).partition(":")[0]
                )
            ],
            healthcheck=docker.ContainerHealthcheckArgs(tests=list(service.healthcheck), interval="3s", retries=10)
            if service.healthcheck
            else None,
            wait=bool(service.healthcheck),  # up means that it answers
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]) if service.unprivileged else None,
            security_opts=["no-new-privileges"] if service.unprivileged else None,
            must_run=True,
            restart="unless-stopped",
            opts=self._child(after, ["healthcheck"]),
        )

    def _volume(self, service: HubContainer, suffix: str, path: str) -> docker.ContainerVolumeArgs:
        stack = self._args.stack
        volume = docker.Volume(
            f"{suffix}-data",
            name=f"{stack}-{suffix}",
            labels=volume_labels(stack, service.name),
            opts=self._child(),
        )
        return docker.ContainerVolumeArgs(volume_name=volume.name, container_path=path)

    def _child(
        self, after: Sequence[pulumi.Resource] = (), replace_on_changes: list[str] | None = None
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, depends_on=list(after), delete_before_replace=True, replace_on_changes=replace_on_changes
        )


def _published(service: HubContainer, hub: HubAddresses) -> list[docker.ContainerPortArgs]:
    """Only the registry, only on loopback: to push to it (an engine trusts no plain registry elsewhere)."""
    if service.name != REGISTRY:
        return []
    address, _, port = hub.registry_push.partition(":")
    return [docker.ContainerPortArgs(internal=5000, external=int(port), ip=address)]
