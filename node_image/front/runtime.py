"""What a running front is told and what it tells: words for HAProxy's runtime socket, figures among its metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from node_image.front.config import ANYONE, POOLS, Kind, pool

How = Literal["ready", "cordon", "drain"]

# (pool, last resort): a node that is cordoned is still asked where no other is in service.
_STATES: dict[How, tuple[str, str]] = {
    "ready": ("ready", "ready"),
    "cordon": ("drain", "ready"),
    "drain": ("drain",) * 2,
}
_FIGURE = re.compile(
    r"^haproxy_server_(status|current_sessions|http_responses_total)"
    rf'{{proxy="({"|".join(POOLS)})",server="([^"]+)"(?:,(?:state|code)="([^"]+)")?}} (\d+)$',
    re.MULTILINE,
)


@dataclass(slots=True)
class Served:
    """A node as its front sees it: UP, DOWN, DRAIN or MAINT; claims in hand; requests answered since the front runs."""

    state: str = ""
    in_hand: int = 0
    answered: int = 0


def words(node: str, kind: Kind, how: How) -> str:
    """The command that has the front send a node claims, none while another is in service, or none at all."""
    own, last = _STATES[how]
    return f"set server {pool(kind)}/{node} state {own}; set server {ANYONE}/{node} state {last}"


def served(metrics: str) -> dict[str, Served]:
    """Each node of the front, by name."""
    found: dict[str, Served] = {}
    for figure, _, name, label, value in _FIGURE.findall(metrics):
        one = found.setdefault(name, Served())
        match figure:
            case "status" if value == "1":
                one.state = label
            case "current_sessions":
                one.in_hand = int(value)
            case "http_responses_total":
                one.answered += int(value)
    return found
