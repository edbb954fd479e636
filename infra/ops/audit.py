"""`edgedrop audit`: who did what, when, why, on which nodes; every line is checked against the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from infra import audit as trail
from infra import stacks
from infra.ops.output import answer, tell
from infra.ops.shipping import compare, ship
from node_image.protocol.trail import Entry


def audit(
    stack: Annotated[str | None, typer.Argument(help="Only what was done to this stack.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Show the audit trail, oldest first; ends with 6 where a line was changed, taken out or put in."""
    entries = trail.entries()
    labs = [one.name for one in stacks.known() if one.kind == "lab"]
    copies = [compare(lab) for lab in labs if ship(lab)]
    shown = [one for one in entries if stack in (None, one.stack)]
    if as_json:
        tell([msgspec.to_builtins(one) for one in shown])
        return
    answer(_table(shown))
    answer(f"{len(entries)} lines, each signed and following the one before it", *copies)


def _table(entries: Sequence[Entry]) -> Table:
    """An act's two lines are one row."""
    table = Table(title="audit trail", title_justify="left")
    for heading in ("when (UTC)", "who", "what", "stack", "nodes", "result", "why"):
        table.add_column(heading)
    ends = {one.of: one.result for one in entries if one.of is not None}
    for one in entries:
        if one.of is None:
            result = ends.get(one.number, "begun, and cut off")
            words = (one.at[:19], one.who, one.what, one.stack, ", ".join(one.nodes), result, one.why)
            table.add_row(*(escape(word) for word in words))
    return table
