"""`edgedrop drain`: a node gets no claims at all, for as long as something is done to it."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.ops.diverting import AsJson, Drop, Reason, Yes
from infra.ops.setting_aside import set_aside


def drain(
    node: Annotated[str, typer.Argument(help="A node of the drop.")],
    reason: Reason = "",
    end: Annotated[bool, typer.Option("--end", help="Give it claims again.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Also where nobody else is left to take its claims.")] = False,
    drop: Drop = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send a node no claims at all, not even as the last resort; it finishes those it has, and finds those it answered.

    `cordon` leaves it as the last resort.
    """
    set_aside("drain", node, reason, drop, end=end, last=last, yes=yes, as_json=as_json)
