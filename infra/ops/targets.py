"""From the names on a command line to stacks."""

from __future__ import annotations

import json
import subprocess

from infra import stacks
from infra.errors import BadUsage, MissingTool
from infra.slots import slot_of, take_slot
from infra.stacks import Stack

ANSWER_S = 10


def resolve(names: list[str]) -> tuple[Stack, ...]:
    """The stacks in the order given, each with its slot; kept, so that a bare `pulumi up` finds it."""
    wrong = [name for name in names if name != "lab" and not name.startswith("lab-")]
    if wrong:
        raise BadUsage(f"{', '.join(wrong)}: only labs can be brought up yet", "name a stack `lab` or `lab-<run>`")
    found = tuple(Stack(name, _slot(name)) for name in names)
    for stack in found:
        stacks.save(stack)
    return found


def _slot(stack: str) -> int:
    held = slot_of(stack)
    return held if held is not None else take_slot(stack, _used_slots())


def _used_slots() -> set[int]:
    """Second bytes of the 10.x networks that the engine has already, whoever made them."""
    networks = _docker("network", "ls", "-q").split()
    shown = json.loads(_docker("network", "inspect", *networks)) if networks else []
    configs = [config for network in shown for config in network["IPAM"]["Config"] or []]
    subnets = [config.get("Subnet", "") for config in configs]
    return {int(subnet.split(".")[1]) for subnet in subnets if subnet.startswith("10.")}


def _docker(*arguments: str) -> str:
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=ANSWER_S, check=True)
    except (OSError, subprocess.SubprocessError) as fault:
        raise MissingTool("no Docker engine answers", "type: make setup") from fault
    return done.stdout
