"""A command's answer on stdout, as words and tables or as JSON; what it says on the way on stderr."""

from __future__ import annotations

import json
import sys

import typer
from rich.console import Console, RenderableType

from infra.errors import BadUsage

people = Console(stderr=True)


def say(line: str) -> None:
    """One line of progress."""
    people.print(line, highlight=False, soft_wrap=True)


def answer(*told: RenderableType) -> None:
    """For people; a line is never broken, so that what stands in it can be copied."""
    console = Console()
    for one in told:
        console.print(one, highlight=False, soft_wrap=isinstance(one, str))


def tell(found: object) -> None:
    """The answer for machines."""
    print(json.dumps(found, indent=2))


def confirm(what: str, *, yes: bool) -> None:
    """Ask before acting; a machine answers by --yes, and is told so where it forgot."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadUsage(f"this would {what}, and nobody is there to ask", "add --yes")
    typer.confirm(f"{what}?", abort=True, err=True)
