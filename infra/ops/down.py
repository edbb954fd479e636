"""`edgedrop down`: take stacks away whole, a drop before its lab."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import Annotated

import typer

from infra import audit, diversions, elastic, epochs, failures, overrides, slots, stacks
from infra.errors import EdgedropError
from infra.home import home
from infra.ops import pulumi_cli
from infra.ops.dead_nodes import dead_spares
from infra.ops.heal import mend
from infra.ops.output import confirm, say
from infra.ops.targets import known_stacks
from infra.stacks import Stack


def down(
    names: Annotated[list[str] | None, typer.Argument(help="Stacks to take down.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All stacks that this machine brought up.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Take stacks away: containers, networks, volumes, state."""
    chosen = known_stacks(names or [], every=every)
    confirm(f"destroy {', '.join(stack.name for stack in chosen) or 'nothing'}", yes=yes)
    with ExitStack() as taken:
        for drop in sorted({stack.drop_stack for stack in chosen if stack.kind == "elastic"}):
            taken.enter_context(elastic.alone(drop))  # the hub must not bring back what is taken away
        for stack in chosen:
            take_down(stack)


def take_down(stack: Stack) -> None:
    """Destroy, sweep what is left by label, forget."""
    if stack.name in pulumi_cli.stack_names(stack.name):
        mend(stack.name)
        # What is dead can't be asked how it is; all in it goes with its box (`deleted_with`).
        asked = () if stack.kind == "lab" or not dead_spares(stack.name) else ("--refresh=false",)
        code = pulumi_cli.run("destroy", "--yes", "--skip-preview", *asked, stack=stack.name)
        if code != 0:
            raise EdgedropError(
                f"pulumi destroy of {stack.name} ended with {code}", f"type: edgedrop heal {stack.name}"
            )
        pulumi_cli.read("stack", "rm", "--yes", stack.name, beside=stack.name)
    mend(stack.name, gone=True)
    _forget(stack)
    say(f"{stack.name}: gone")


def _forget(stack: Stack) -> None:
    for folder in ("nodes", "known_hosts"):
        shutil.rmtree(home() / folder / stack.name, ignore_errors=True)
    (home() / "releases" / "current" / stack.name).unlink(missing_ok=True)
    pulumi_cli.forget(stack.name)
    stacks.forget(stack.name)
    epochs.forget(stack.name)
    diversions.forget(stack.name)
    overrides.forget(stack.name)
    failures.forget(stack.name)
    elastic.forget(stack.name)
    audit.forget(stack.name)
    slots.give_back(stack.name)
