"""`edgedrop up` and `down`: stand stacks up in order, take them away whole."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from infra import slots, stacks
from infra.errors import BadUsage, EdgedropError
from infra.ops import pulumi_cli
from infra.ops.heal import mend
from infra.ops.output import confirm, say
from infra.ops.prepare import local_images, prepare_home
from infra.ops.targets import resolve
from infra.stacks import Stack

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


def up(names: Annotated[list[str], typer.Argument(help="Stacks: `lab`.")], yes: Yes = False) -> None:
    """Stand up (or mend) stacks, in the order given."""
    local_images()
    wanted = resolve(names)
    confirm(f"bring up {', '.join(stack.name for stack in wanted)}", yes=yes)
    prepare_home()
    for stack in wanted:
        stand_up(stack)


def stand_up(stack: Stack) -> None:
    """One stack."""
    begun = time.monotonic()
    if stack.name not in pulumi_cli.stack_names():
        pulumi_cli.read("stack", "init", stack.name)
    code = pulumi_cli.run("up", "--yes", "--skip-preview", stack=stack.name)
    if code != 0:
        raise EdgedropError(f"pulumi up of {stack.name} ended with {code}", f"type: edgedrop heal {stack.name}")
    say(f"{stack.name}: up in {time.monotonic() - begun:.0f} s")


def down(
    names: Annotated[list[str] | None, typer.Argument(help="Stacks to take down.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All stacks that this machine brought up.")] = False,
    yes: Yes = False,
) -> None:
    """Take stacks away: containers, networks, volumes, state."""
    if bool(names) == every:
        raise BadUsage("name stacks or give --all, one of the two", "edgedrop down lab")
    chosen = [stack for stack in stacks.known() if every or stack.name in (names or ())]
    missing = set(names or ()) - {stack.name for stack in chosen}
    if missing:
        raise BadUsage(f"this machine brought up no stack {', '.join(sorted(missing))}", "type: edgedrop down --all")
    confirm(f"destroy {', '.join(stack.name for stack in chosen) or 'nothing'}", yes=yes)
    for stack in chosen:
        take_down(stack)


def take_down(stack: Stack) -> None:
    """Destroy, sweep what is left by label, forget."""
    if stack.name in pulumi_cli.stack_names():
        mend(stack.name)
        code = pulumi_cli.run("destroy", "--yes", "--skip-preview", stack=stack.name)
        if code != 0:
            raise EdgedropError(
                f"pulumi destroy of {stack.name} ended with {code}", f"type: edgedrop heal {stack.name}"
            )
        pulumi_cli.read("stack", "rm", "--yes", stack.name)
    mend(stack.name, gone=True)
    stacks.forget(stack.name)
    slots.give_back(stack.name)
    say(f"{stack.name}: gone")
