"""The stack of a geography's elastic spares, brought to what the hub's record says by Pulumi's Automation API.

It is in the hub's own backend, so that no `up` of a person's ever meets it or waits for its lock.
"""

from __future__ import annotations

from pulumi import automation

from infra import stacks
from infra.errors import EdgedropError, StackLocked
from infra.home import ROOT
from infra.ops import pulumi_cli
from infra.ops.dead_nodes import dead_spares, patterns
from infra.ops.down import take_down
from infra.ops.heal import mend
from infra.ops.output import say
from infra.stacks import Stack


def settle(stack: Stack) -> None:
    """What a killed run left is mended; StackLocked while that run still lives: it could open a lease yet."""
    stacks.save(stack)
    mend(stack.name)


def converge(stack: Stack, *, stand: bool) -> None:
    """As `infra/program.py` declares it now; gone with all that it had where nothing is to `stand`."""
    if not stand:
        take_down(stack)
        return
    made = _selected(stack)
    dead = dead_spares(stack.name)
    for spare in dead:
        say(f"[bold yellow]{stack.name}: {spare} does not answer and is left out[/]")
    try:
        made.up(exclude=patterns(dead) or None, color="never")
    except automation.ConcurrentUpdateError as fault:
        raise StackLocked(f"{stack.name} is held by another run", "it is tried again") from fault
    except automation.CommandError as fault:
        raise EdgedropError(f"{stack.name} did not come up: {_said(str(fault))}", "it is tried again") from fault


def _selected(stack: Stack) -> automation.Stack:
    """With the program of this project, in the hub's backend."""
    options = automation.LocalWorkspaceOptions(
        env_vars=pulumi_cli.environment(stack.name),
        pulumi_command=automation.PulumiCommand(str(pulumi_cli.binary().parents[1])),
    )
    return automation.create_or_select_stack(stack.name, work_dir=str(ROOT), opts=options)


def _said(told: str) -> str:
    """The first fault that Pulumi names, else its last word."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "nothing was said")
