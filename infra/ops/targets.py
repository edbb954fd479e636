"""From the names on a command line to stacks: which file, which lab, which geographies, which slot."""

from __future__ import annotations

import json
import subprocess

import msgspec

from infra import stacks
from infra.errors import BadUsage, MissingTool
from infra.ops.drops import DROPS, open_drop
from infra.slots import slot_of, take_slot
from infra.stacks import LAB, Stack

ANSWER_S = 10


def resolve(
    names: list[str], *, lab: str | None = None, file: str | None = None, split: bool | None = None
) -> tuple[Stack, ...]:
    """The stacks in the order of standing up; what they stand for is kept, so that a bare `pulumi up` finds it.

    A stack that stands already keeps its lab, file and form: who mends it need not say them again.
    """
    drops_first = sorted(names, key=lambda name: _is_lab(name, lab))  # a faulty file stops us before anything is kept
    found = tuple(stack for name in drops_first for stack in _stacks(name, lab, file, split=split))
    for stack in found:
        stacks.save(stack)
    return tuple(sorted(found, key=lambda stack: stacks.RANK.index(stack.kind)))


def _stacks(name: str, lab: str | None, file: str | None, *, split: bool | None) -> list[Stack]:
    if _is_lab(name, lab):
        return [Stack(name, "lab", _slot(name))]
    held = stacks.find(name)
    if held:
        _same(held, lab, split=split)
    path, found = open_drop(file or (held.drop_file if held else _file_of(name)))
    whole = Stack(
        name=name,
        kind="drop",
        slot=_slot(name),
        lab=held.lab if held else lab or LAB,
        drop=found.spec.name,
        drop_file=str(path.resolve()),
        drop_stack=name,
        split=held.split if held else bool(split),
    )
    return [whole, *(_geography(whole, geo.name) for geo in (found.spec.geographies if whole.split else ()))]


def _is_lab(name: str, lab: str | None) -> bool:
    return name in (LAB, lab) or name.startswith(f"{LAB}-")


def _same(held: Stack, lab: str | None, *, split: bool | None) -> None:
    """What can't be changed while it stands."""
    if held.kind != "drop":
        raise BadUsage(f"{held.name} is a part of {held.drop_stack}", f"type: edgedrop up {held.drop_stack}")
    if lab not in (None, held.lab):
        raise BadUsage(f"--lab: {held.name} stands in {held.lab}", f"first: edgedrop down {held.name}")
    if split not in (None, held.split):
        form = "a stack for each geography" if held.split else "one stack"
        raise BadUsage(f"--split: {held.name} stands as {form}", f"first: edgedrop down {held.name}")


def _geography(whole: Stack, geo: str) -> Stack:
    return msgspec.structs.replace(whole, name=f"{whole.name}.{geo}", kind="geography", geography=geo)


def _file_of(stack: str) -> str:
    """A stack is `<drop>` or `<drop>-<run>`: its file is the one whose name is the longest part of the stack's."""
    names = [path.stem for path in DROPS.glob("*.yaml") if stack == path.stem or stack.startswith(f"{path.stem}-")]
    return max(names, key=len, default=stack)


def _slot(stack: str) -> int:
    held = slot_of(stack)
    return held if held is not None else take_slot(stack, _used_slots())


def _used_slots() -> set[int]:
    """Second bytes of the 10.x networks that the engine has already, whoever made them."""
    networks = _docker("network", "ls", "-q").split()
    # One that is gone between the two questions is an error of the second, which tells of all others.
    shown = json.loads(_docker("network", "inspect", *networks, some=True)) if networks else []
    configs = [config for network in shown for config in network["IPAM"]["Config"] or []]
    subnets = [config.get("Subnet", "") for config in configs]
    return {int(subnet.split(".")[1]) for subnet in subnets if subnet.startswith("10.")}


def _docker(*arguments: str, some: bool = False) -> str:
    """What it says; MissingTool where it fails, with `some` only where it then says nothing."""
    hint = "type: make setup"
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.SubprocessError) as fault:
        raise MissingTool("no Docker engine answers", hint) from fault
    if done.returncode != 0 and not (some and done.stdout.strip()):
        raise MissingTool(f"no Docker engine answers: {done.stderr.strip()[:200]}", hint)
    return done.stdout


def known_stacks(names: list[str], *, every: bool) -> tuple[Stack, ...]:
    """Stacks that this machine brought up, with the geographies of a split drop, in the order of taking down."""
    if bool(names) == every:
        raise BadUsage("name stacks or give --all, one of the two", "edgedrop down harbour-lights")
    chosen = [stack for stack in stacks.known() if every or stack.name in names or stack.drop_stack in names]
    missing = set(names) - {stack.name for stack in chosen}
    if missing:
        raise BadUsage(f"this machine brought up no stack {', '.join(sorted(missing))}", "type: edgedrop down --all")
    for stack in chosen:
        if stack.kind == "elastic" and stack.drop_stack not in {one.name for one in chosen}:
            raise BadUsage(
                f"{stack.name} is the hub's: it closes its spares out before they go",
                f"edgedrop down {stack.drop_stack} takes them with the drop",
            )
    _not_in_use(chosen)
    return tuple(reversed(chosen))


def _not_in_use(chosen: list[Stack]) -> None:
    """A lab goes last: its network, chain and ledger are the drops'."""
    going = {stack.name for stack in chosen}
    for stack in stacks.known():
        if stack.name not in going and stack.lab in going:
            raise BadUsage(f"{stack.name} still uses {stack.lab}", f"type: edgedrop down {stack.name} {stack.lab}")
