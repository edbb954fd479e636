"""What a stack declares."""

from __future__ import annotations

import pulumi

from infra import keys
from infra.components.lab import Lab, LabArgs
from infra.ops.prepare import local_images
from infra.outputs import lab_outputs
from infra.plan import plan_lab
from infra.plan.model import HubAddresses
from infra.stacks import Stack
from node_image.bus.config import hub_config
from node_image.hub.spec import HubContainer, HubPlaces, HubSecrets, hub_containers


def declare_lab(stack: Stack) -> None:
    """The hub, once."""
    hub = plan_lab(stack.slot)
    images = {name: image["id"] for name, image in local_images().items()}
    Lab("lab", LabArgs(stack.name, hub, images, _containers(hub)), pulumi.ResourceOptions())
    lab_outputs(hub)


def _containers(hub: HubAddresses) -> tuple[HubContainer, ...]:
    bus = keys.bus_secret()
    secrets = HubSecrets(
        bus=bus,
        db=keys.db_secret(),
        relayer_key=keys.relayer_key(),
        owner_public_pem=keys.owner_public_pem().decode(),
        bus_config=hub_config(bus),
    )
    return hub_containers(HubPlaces(bus=hub.bus, ledger_db=hub.ledger_db, chain=hub.chain), secrets)
