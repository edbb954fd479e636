"""`edgedrop up`: stand stacks up in order, geographies side by side; what is dead is left out, by name."""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated

import typer

from infra.errors import EdgedropError, StackNotUp
from infra.ops import pulumi_cli
from infra.ops.dead_nodes import dead_spares, exclusions
from infra.ops.diverted import restore
from infra.ops.interrupts import listening
from infra.ops.output import confirm, say
from infra.ops.prepare import image_ids, lab_file, prepare_drop, prepare_home, publish_release
from infra.ops.served import geographies_of, not_served
from infra.ops.shipping import ship
from infra.ops.targets import resolve
from infra.stacks import RANK, Stack

SIDE_BY_SIDE = 4


def up(
    names: Annotated[list[str], typer.Argument(help="Stacks: `lab`, or a drop's name.")],
    lab: Annotated[
        str | None, typer.Option(help="The lab's stack that the drop uses; `lab` where none is named.")
    ] = None,
    file: Annotated[str | None, typer.Option(help="The drop file, where it isn't inventory/drops/<drop>.yaml.")] = None,
    split: Annotated[
        bool | None,
        typer.Option("--split/--whole", help="A stack for each geography (large drops).", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Stand up (or mend) labs and drops: labs first."""
    image_ids()
    wanted = resolve(names, lab=lab, file=file, split=split)
    confirm(f"bring up {', '.join(stack.name for stack in wanted)}", yes=yes)
    bring_up(wanted)


def bring_up(wanted: tuple[Stack, ...], aside: Collection[str] = ()) -> None:
    """Rank by rank; those of one rank side by side. Fronts send nobody to the nodes that stand `aside`."""
    prepare_home()
    for rank in RANK:
        group = [stack for stack in wanted if stack.kind == rank]
        # The terminal sends a Ctrl-C to each pulumi as well; they decide when it is over.
        with listening() as pressed, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            work = partial(_try_one, aside=aside, alone=len(group) == 1)
            faults = [fault for fault in pool.map(work, group) if fault]
        if faults:
            raise faults[0]
        if pressed():
            raise KeyboardInterrupt


def _try_one(stack: Stack, aside: Collection[str], *, alone: bool) -> EdgedropError | None:
    try:
        _stand_up(stack, aside, alone=alone)
    except EdgedropError as fault:
        return fault
    return None


def _stand_up(stack: Stack, aside: Collection[str], *, alone: bool) -> None:
    """One stack, with what must be there before and after."""
    begun = time.monotonic()
    there = pulumi_cli.stack_names()
    if stack.kind == "lab":
        lab_file()  # a fault in it is told before anything is made
    else:
        if stack.lab not in there:
            raise StackNotUp(f"lab {stack.lab} is not up", f"type: edgedrop up {stack.lab} {stack.name}")
        prepare_drop(stack)
    if stack.name not in there:
        pulumi_cli.read("stack", "init", stack.name)
    dead = dead_spares(stack.name) if stack.kind != "lab" else []
    for spare in dead:
        say(f"[bold yellow]{stack.name}: {spare} does not answer and is left out; all others are brought up[/]")
    words = ("up", "--yes", "--skip-preview", "--suppress-outputs", *exclusions(dead))
    code = pulumi_cli.run(*words, stack=stack.name, prefix="" if alone else f"{stack.name}  ")
    if code != 0:
        raise EdgedropError(f"pulumi up of {stack.name} ended with {code}", f"type: edgedrop heal {stack.name}")
    if stack.kind == "lab":
        publish_release(stack)
    for geo in geographies_of(stack):
        restore(stack.drop_stack, geo)
    for node in not_served(stack, aside):
        say(f"[bold yellow]{stack.name}: {node} is ready, and its front sends it nobody: can the front reach it?[/]")
    if stack.kind != "lab":
        ship(stack.lab)
    say(f"{stack.name}: up in {time.monotonic() - begun:.0f} s")
