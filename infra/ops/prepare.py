"""What must exist before Pulumi runs: keys, images, a drop's signed content; and after the lab's stack: the release."""

from __future__ import annotations

import json
from pathlib import Path

from infra import keys, release, stacks
from infra.errors import BadUsage, MissingTool
from infra.home import ROOT
from infra.ops.drops import plan_of
from infra.ops.manifest import make_content
from infra.ops.output import say
from infra.ops.overridden import overridden
from infra.plan import plan_lab
from infra.plan.facts import tier_facts
from infra.provision.currencies import check_currencies
from infra.spec import LabFile, read_drop, read_lab
from infra.stacks import Stack


def prepare_home() -> None:
    """Keys and secrets, each made once."""
    accounts = (keys.operator_key, keys.relayer_key, keys.hub_key, keys.holder_keys)
    secrets = (keys.bus_secret, keys.db_secret, keys.ssh_key)
    for make in (keys.owner_pem, keys.witness_pem, keys.responder_pem, *accounts, *secrets):
        make()


def lab_file() -> LabFile:
    """What the lab's hub does beside its defaults."""
    return read_lab(ROOT / "inventory" / "lab.yaml")


def prepare_drop(stack: Stack) -> None:
    """The manifest built from the real files, signed, with its content beside it; its ERC-20s are on the chain.

    What overrides a node's release is the owner's word, or nothing is begun.
    """
    path = Path(stack.drop_file)
    file = read_drop(path)
    if stack.split and any(geo.lends_spares_to for geo in file.spec.geographies):
        raise BadUsage(
            f"geographies of {stack.drop} lend spares: a front has a leg in its lender's network, in the same stack",
            "bring it up with --whole, or take lends_spares_to out of the drop file",
        )
    overridden(stack)
    if any(tier.currency for tier in file.spec.tiers):
        check_currencies(plan_lab(stacks.load(stack.lab).slot).chain_url, tier_facts(plan_of(stack)))
    make_content(path, file)


def publish_release(lab: Stack) -> None:
    """Push the node's images to the lab's registry and sign what they are."""
    made = release.publish(lab.name, image_ids(), plan_lab(lab.slot).registry_push)
    say(f"{lab.name}: release {made.digest[:12]} is in the registry")


def image_ids() -> dict[str, str]:
    """What `make images` built: the id by name."""
    path = ROOT / "build" / "images.json"
    if not path.exists():
        raise MissingTool("the images are not built", "type: make images")
    return {name: image["id"] for name, image in json.loads(path.read_text()).items()}
