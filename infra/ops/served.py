"""Whether the fronts send buyers to the nodes that are ready: `up` is done when they do, not when all is declared."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

import httpx

from infra import diversions
from infra.ops.drops import plan_of
from infra.plan.model import Geography
from infra.stacks import Stack
from node_image.front import runtime
from node_image.front.runtime import Served

STATS_PORT, MINT_PORT = 8404, 8080
ANSWER_S = 2.0
SEEN_S = 20.0  # a front believes a node that was down after 3 s of good checks, and one that is late begins them anew
POLL_S = 0.2


def not_served(stack: Stack, aside: Collection[str] = ()) -> list[str]:
    """Nodes of a stack that are ready and that their front doesn't send buyers to, after a while of waiting."""
    deadline, geographies = time.monotonic() + SEEN_S, geographies_of(stack)
    aside = {*aside, *diversions.read(stack.drop_stack)}
    # trust_env: a proxy of this machine knows nothing of the drop's addresses.
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
        while True:
            missing = [
                name for geo in geographies for name in sorted(ready(client, geo) - everywhere(client, geo) - aside)
            ]
            if not missing or time.monotonic() > deadline:
                return missing
            time.sleep(POLL_S)  # the pace of asking


def ready(client: httpx.Client, geo: Geography) -> set[str]:
    """By their own word."""
    return {node.name for node in geo.nodes if _asked(client, f"http://{node.address}:{MINT_PORT}/readyz") is not None}


def in_service(client: httpx.Client, geo: Geography) -> set[str]:
    """By the checks of the front that has the buyers."""
    return _up(at_front(client, geo))


def everywhere(client: httpx.Client, geo: Geography) -> set[str]:
    """By the checks of each front: also of one that has no buyers now."""
    return set.intersection(*(_up(one) for one in at_each(client, geo).values()))


def at_front(client: httpx.Client, geo: Geography) -> dict[str, Served]:
    """Its nodes as the front sees them that has the buyers; none where nobody answers them."""
    return seen_at(client, geo.front_address)


def at_each(client: httpx.Client, geo: Geography) -> dict[str, dict[str, Served]]:
    """By front its nodes as that one sees them; none of one that doesn't answer."""
    return {one.name: seen_at(client, one.address) for one in geo.fronts}


def answering(client: httpx.Client, geo: Geography) -> str:
    """The name of the front of a pair that has the buyers; empty where none has."""
    return (_asked(client, f"http://{geo.front_address}:{STATS_PORT}/name") or "").strip()


def geographies_of(stack: Stack) -> list[Geography]:
    """Those that the stack holds."""
    if stack.kind == "lab" or (stack.split and not stack.geography):
        return []
    return [geo for geo in plan_of(stack).geographies if stack.geography in ("", geo.name)]


def seen_at(client: httpx.Client, address: str) -> dict[str, Served]:
    """A front's nodes as it sees them; none where it doesn't answer."""
    return runtime.served(_asked(client, f"http://{address}:{STATS_PORT}/metrics") or "")


def _up(nodes: Mapping[str, Served]) -> set[str]:
    return {name for name, one in nodes.items() if one.state == "UP"}


def _asked(client: httpx.Client, url: str) -> str | None:
    try:
        return client.get(url).raise_for_status().text
    except httpx.HTTPError:
        return None
