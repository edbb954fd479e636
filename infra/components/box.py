"""A box: a Docker engine of its own behind SSH. We make one in a container; a real one we adopt (`target: ssh`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

from infra.components.labels import container_labels, volume_labels
from infra.plan.model import Node
from infra.provision.ssh import Host
from infra.resources.ready import Ready

# What systemd, sshd and dockerd need in a container where --privileged is not to be had (seen on cgroup v1 and v2).
CAPABILITIES = [
    f"CAP_{name}" for name in ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "MKNOD", "SYSLOG", "DAC_READ_SEARCH")
]
CGROUP_V1_INIT = "SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"


@dataclass(frozen=True, slots=True)
class BoxArgs:
    """Where the box stands and what it is made of; what concerns a made one is unused for target ssh."""

    host: Host
    node: Node
    image: str  # a local image id
    network: pulumi.Input[str]
    hub_network: str
    authorized_key: str


class Box(pulumi.ComponentResource):
    """The container with its volume (or nothing, for a real box), and `Ready`, on which all in the box depends."""

    ready: Ready
    container: docker.Container | None

    def __init__(self, name: str, args: BoxArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edgedrop:infra:Box", name, None, opts)
        made = args.node.target == "docker"
        self.container = self._make(name, args) if made else None
        self.ready = Ready(
            f"{name}-ready",
            args.host,
            container=_container_name(args) if made else "",
            site_key=args.node.host_key or "",
            engine=made or args.node.kind == "spare",  # on a bare appliance Ansible installs it
            opts=self.inside(self, depends_on=[self.container] if self.container else None),
        )
        self.register_outputs({"host_key": self.ready.host_key})

    def inside(self, parent: pulumi.Resource, **more: Any) -> pulumi.ResourceOptions:
        """Options of what lives in the box: it goes with it, and is made anew in a new one."""
        return pulumi.ResourceOptions(
            parent=parent,
            deleted_with=self.container,
            replacement_trigger=self.container.id if self.container else None,
            **more,
        )

    def _make(self, name: str, args: BoxArgs) -> docker.Container:
        volume = docker.Volume(
            f"{name}-docker",
            name=f"{_container_name(args)}-docker",
            labels=volume_labels(args.host.stack, f"{name}-docker"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return docker.Container(
            name,
            **_settings(name, args),
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/var/lib/docker")],
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=args.network, ipv4_address=args.node.address),
                docker.ContainerNetworksAdvancedArgs(name=args.hub_network),
            ],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def _container_name(args: BoxArgs) -> str:
    return f"{args.host.stack}-{args.node.name}"


def _settings(name: str, args: BoxArgs) -> dict[str, Any]:
    """A box that is off is off, as a real one would be: its node is told as unreachable, it isn't thrown away."""
    environment = ["container=docker", f"EDGEDROP_AUTHORIZED_KEY={args.authorized_key}"]
    if Path("/sys/fs/cgroup/memory").is_dir():
        environment.append(CGROUP_V1_INIT)
    return {
        "name": _container_name(args),
        "hostname": name,
        "image": args.image,
        "envs": environment,
        "labels": container_labels(args.host.stack, f"{args.node.kind}-box"),
        "capabilities": docker.ContainerCapabilitiesArgs(adds=CAPABILITIES),
        "security_opts": ["seccomp=unconfined", "apparmor=unconfined"],
        "cgroupns_mode": "private",
        "tmpfs": {"/run": "", "/tmp": ""},  # noqa: S108  inside the box
        "must_run": False,
        "restart": "unless-stopped",
        "stop_signal": "SIGRTMIN+3",
        "destroy_grace_seconds": 5,
    }
