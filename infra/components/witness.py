"""The witness beside a geography's front: told how far the nodes' journals go, it vouches when one starts anew."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.components.labels import container_labels, volume_labels
from infra.node_settings import Laid
from infra.plan.model import Geography
from infra.witness_files import AUTHORITY, KEY, TLS

FOLDER, STATE = "/etc/edgedrop/witness", "/var/lib/edgedrop/witness"
PLACES = {KEY: f"{FOLDER}/key.pem", TLS: f"{FOLDER}/tls.pem", AUTHORITY: f"{FOLDER}/authority.pem"}
READABLE = "0444"  # uploads belong to root, the service runs as another; nobody else lives in the container


@dataclass(frozen=True, slots=True)
class WitnessArgs:
    """Of which drop, and where it stands; `files` go by place and digest, so that no secret enters the state."""

    stack: str
    drop: str
    geography: Geography
    image: str  # a local image id
    network: pulumi.Input[str]
    files: Laid


class Witness(pulumi.ComponentResource):
    """One container and the volume of its records."""

    def __init__(self, name: str, args: WitnessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("edgedrop:infra:Witness", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        full_name, address = f"{args.stack}-{name}", args.geography.witness_address
        volume = docker.Volume(
            f"{name}-records", name=f"{full_name}-records", labels=volume_labels(args.stack, "witness"), opts=inside
        )
        docker.Container(
            name,
            name=full_name,
            hostname=name,
            image=args.image,
            command=["python3", "-m", "node_image.witness"],
            envs=[f"EDGEDROP_DROP={args.drop}"],
            labels=container_labels(args.stack, "witness"),
            uploads=[
                docker.ContainerUploadArgs(
                    file=path,
                    source=str(args.files.folder / file),
                    source_hash=args.files.digests[file],
                    permissions=READABLE,
                )
                for file, path in PLACES.items()
            ],
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path=STATE)],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network, ipv4_address=address)],
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges"],
            must_run=True,
            restart="unless-stopped",
            opts=inside,
        )
        self.register_outputs({})
