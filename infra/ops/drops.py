"""From a drop's name on the command line to its file and its plan."""

from __future__ import annotations

from pathlib import Path

from infra import epochs, keys, stacks
from infra.errors import BadUsage, FaultyFile
from infra.home import ROOT
from infra.plan import plan_drop
from infra.plan.model import Accounts, DropPlan, Geography, Node
from infra.slots import FIRST, slot_of
from infra.spec import DropFile, read_drop
from infra.stacks import Stack
from node_image.protocol import manifest

DROPS = ROOT / "inventory" / "drops"


def open_drop(name_or_file: str) -> tuple[Path, DropFile]:
    """A name is a file of inventory/drops; anything with a slash or .yaml is a path."""
    is_path = "/" in name_or_file or name_or_file.endswith(".yaml")
    path = Path(name_or_file) if is_path else DROPS / f"{name_or_file}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in DROPS.glob("*.yaml")))
        raise BadUsage(f"there is no drop file {name_or_file}", f"give a path, or one of: {there}")
    return path, read_drop(path)


def drop_named(drop: str | None) -> Stack:
    """The drop's stack as this machine brought it up; the only one where none is named."""
    held = stacks.drops()
    if drop is None and len(held) != 1:
        raise BadUsage(f"{len(held)} drops are up on this machine", f"--drop <one of: {', '.join(held)}>")
    found = stacks.load(held[0] if drop is None else drop)
    if found.kind == "lab":
        raise BadUsage(f"{found.name} is a lab", f"--drop <one of: {', '.join(held)}>")
    return found if found.kind == "drop" else stacks.load(found.drop_stack)


def node_named(plan: DropPlan, name: str) -> tuple[Geography, Node]:
    """A node of the drop, with the geography that it is of."""
    found = next(((geo, node) for geo in plan.geographies for node in geo.at_front if node.name == name), None)
    if found is None:
        raise BadUsage(f"{plan.drop} has no node {name}", f"its nodes are {', '.join(one.name for one in plan.nodes)}")
    return found


def manifest_of(path: Path, file: DropFile) -> tuple[manifest.Manifest, dict[str, bytes]]:
    """The manifest of the files as they are, with the assets by their name in the content."""
    tokens: list[manifest.Token] = []
    assets: dict[str, bytes] = {}
    for tier in file.spec.tiers:
        for number, asset in enumerate(file.assets[tier.name], start=1):
            data = (path.parent / asset).read_bytes()
            name = f"{tier.name}/{Path(asset).name}"
            assets[name] = data
            title = f"{file.spec.title}: {tier.title} {number}/{tier.supply}"
            fingerprint = manifest.fingerprint(data)
            tokens.append(manifest.Token(len(tokens) + 1, tier.name, title, name, fingerprint, tier.sku))
    return manifest.build(file.spec.name, tokens), assets


def accounts() -> Accounts:
    """This machine's keys, as the contract is told them."""
    operator = keys.operator_address()
    return Accounts(operator, operator, keys.hub_address(), keys.holder_addresses())


def plan_of(stack: Stack) -> DropPlan:
    """The plan of a stack that is brought up, or of a split drop's geography."""
    path = Path(stack.drop_file)
    if not path.is_file():
        raise FaultyFile(f"the drop file of {stack.name} is gone: {path}", "put it back, or name another with --file")
    return plan_of_file(path, read_drop(path), stack=stack.drop_stack, slot=stack.slot)


def plan_of_file(path: Path, file: DropFile, stack: str, slot: int | None = None) -> DropPlan:
    """The plan as `up` would make it now: with this machine's keys, and the stack's slot or the first there is."""
    made, _ = manifest_of(path, file)
    held = slot_of(stack) if slot is None else slot
    return plan_drop(
        file,
        stack=stack,
        slot=FIRST if held is None else held,
        accounts=accounts(),
        manifest_digest=manifest.digest(made.payload()),
        later=epochs.leases(stack),
    )
