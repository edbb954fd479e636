"""A node stands aside: its front sends it no new claim while something is done to it, so that no buyer meets the gap.

That is run-time state of the front's HAProxy, never drift; when the node takes claims again, its checks say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from infra.ops import fronts
from infra.ops.output import say
from infra.ops.served import ANSWER_S, in_service
from infra.plan.model import Geography


@contextmanager
def aside(drop: str, geo: Geography, node: str) -> Iterator[None]:
    """From its last answer until the end of what is done meanwhile; a node without a neighbour stays where it is."""
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
        others = in_service(client, geo) - {node}
        if not others:
            say(f"[bold yellow]{geo.name} has no other node in service: its buyers wait while {node} is away[/]")
            yield
            return
        say(f"{node} stands aside: claims go to {', '.join(sorted(others))}")
        fronts.tell(drop, geo, {node: "drain"})
        fronts.tell_borrowers(drop, geo, {node: "drain"})
        try:
            fronts.await_last(client, geo, {node})
            yield
        finally:
            fronts.give_back(drop, geo, node)
