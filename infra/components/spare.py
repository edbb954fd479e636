"""A spare: a remote Docker engine whose containers Pulumi declares, from the same `node.yaml` that Ansible reads.

The provider uploads to `/`, which Docker refuses where the root is read-only: so a spare's containers may write to
theirs, where an appliance's may not. They run as a user who owns nothing there (docs/decisions/0005).
Uploads go by the file's place and digest, so that no secret in them enters the state.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_docker as docker

from infra.components.box import Box
from infra.components.labels import container_labels, volume_labels
from infra.node_settings import NodeSettings
from node_image.spec import Container, File

# The provider silently ignores an edit of these.
REPLACE_ON = ["tmpfs", "memory", "memorySwap", "user", "securityOpts", "capabilities"]
CONNECT_S = 3  # a dead engine is asked by a dozen resources, eight at once: still an answer within ten seconds
READABLE = "0444"  # uploads belong to root, services run as another; nobody else lives in the container


class Spare(pulumi.ComponentResource):
    """The containers of one spare, each on the spare's own engine, gone with its box."""

    containers: list[docker.Container]

    def __init__(self, name: str, settings: NodeSettings, box: Box, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edgedrop:infra:Spare", name, None, opts)
        self._name, self._settings, self._box = name, settings, box
        self._provider = docker.Provider(
            name,
            host=settings.host.url,
            ssh_opts=settings.host.options(CONNECT_S),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[box.ready], deleted_with=box.container),
        )
        wanted = sorted({volume for one in settings.containers for volume in one.volumes})
        self._volumes = {volume: self._volume(volume) for volume in wanted}
        self.containers = [self._container(one) for one in settings.containers]
        self.register_outputs({})

    def _inside(self, **more: Any) -> pulumi.ResourceOptions:
        return self._box.inside(self, provider=self._provider, **more)

    def _volume(self, volume: str) -> docker.Volume:
        labels = volume_labels(self._settings.host.stack, volume)
        adopted = self._box.container is None  # its journal and its key are not ours to throw away
        opts = self._inside(retain_on_delete=adopted)
        return docker.Volume(f"{self._name}-{volume}", name=volume, labels=labels, opts=opts)

    def _container(self, one: Container) -> docker.Container:
        image = docker.RemoteImage(
            f"{self._name}-{one.service}-image", name=one.image, keep_locally=True, opts=self._inside()
        )
        labels = container_labels(self._settings.host.stack, one.service)
        return docker.Container(
            f"{self._name}-{one.service}",
            **settings_of(one),
            image=image.image_id,
            labels=[*labels, docker.ContainerLabelArgs(label="edgedrop.service", value=one.service)],
            uploads=[self._upload(file) for file in one.files],
            volumes=[
                docker.ContainerVolumeArgs(volume_name=self._volumes[volume].name, container_path=path)
                for volume, path in one.volumes.items()
            ],
            opts=self._inside(delete_before_replace=True, replace_on_changes=REPLACE_ON),
        )

    def _upload(self, file: File) -> docker.ContainerUploadArgs:
        return docker.ContainerUploadArgs(
            file=file.path,
            source=str(self._settings.folder / file.name),
            source_hash=self._settings.files[file.name],
            permissions=READABLE,
        )


def settings_of(one: Container) -> dict[str, Any]:
    """All that needs no other resource: the same as playbooks/roles/service puts on an appliance."""
    return {
        "name": one.name,
        "network_mode": one.network,
        "user": one.user,
        "memory": one.memory_mb,
        "memory_swap": one.memory_mb,  # none: what is in memory stays there
        "envs": [f"{key}={value}" for key, value in one.env.items()],
        "capabilities": docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        "security_opts": ["no-new-privileges"],
        "tmpfs": {"/tmp": ""},  # noqa: S108  inside the container
        "must_run": True,
        "restart": "unless-stopped",
    }
