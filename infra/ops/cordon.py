"""`edgedrop cordon`: a node gets no claims while another one of its geography is in service."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.ops.diverting import AsJson, Drop, Reason, Yes
from infra.ops.setting_aside import set_aside


def cordon(
    node: Annotated[str, typer.Argument(help="A node of the drop.")],
    reason: Reason = "",
    end: Annotated[bool, typer.Option("--end", help="Give it claims again.")] = False,
    drop: Drop = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send a node no claims, its own, overflow or failover, while another is in service; it finishes those it has.

    Where no other node of the geography is in service it is still asked. `drain` ends that, too.
    """
    set_aside("cordon", node, reason, drop, end=end, last=True, yes=yes, as_json=as_json)
