"""How the node is, asked on the box itself: what runs, what its mint says, how far its journals go."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from node_image.slots.decide import Health

STATUS = "http://127.0.0.1:8080/v1/status"
ANSWER_S = 3.0


def health(shown: Iterable[Mapping[str, Any]]) -> Health:
    """Of the containers as `docker inspect` has them, and the mint."""
    named = {one["Config"]["Labels"]["edgedrop.service"]: one for one in shown}
    restarts = {name: int(one["RestartCount"]) for name, one in named.items()}
    up = (name for name, one in named.items() if one["State"]["Running"] and not one["State"].get("Restarting"))
    running = tuple(sorted(up))
    try:
        with urllib.request.urlopen(STATUS, timeout=ANSWER_S) as answer:
            told = json.load(answer)
    except (OSError, ValueError) as fault:
        return Health(running, restarts, answers=False, ready=False, reason=str(fault), waits="", journal={})
    return said(running, restarts, told)


def said(running: tuple[str, ...], restarts: Mapping[str, int], told: Mapping[str, Any]) -> Health:
    """From the mint's status: its signer's, with each epoch's under `epochs` where there are several. Pure."""
    each = told.get("epochs") or [told]
    return Health(
        running=running,
        restarts=restarts,
        answers=True,
        ready=bool(told.get("ready")),
        reason=str(told.get("reason", "")),
        waits=_waits(told),
        journal={one["grant_id"]: int(one["journal_seq"]) for one in each if "grant_id" in one},
    )


def _waits(told: Mapping[str, Any]) -> str:
    """What only the outside can give it; a signer that says nothing of it waits for nothing."""
    if "grant_id" not in told:
        return ""
    if not told.get("leases"):
        return "its lease"
    if not told.get("fresh", True):
        return "a witness"
    return "the time" if (told.get("time") or {"hi": 0}).get("hi") is None else ""
