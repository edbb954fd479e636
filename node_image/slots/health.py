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
    services = {
        one["Config"]["Labels"]["edgedrop.service"]: int(one["RestartCount"])
        for one in shown
        if one["State"]["Running"] and not one["State"].get("Restarting")
    }
    try:
        with urllib.request.urlopen(STATUS, timeout=ANSWER_S) as answer:
            told = json.load(answer)
    except (OSError, ValueError) as fault:
        return Health(services, answers=False, ready=False, reason=str(fault), waits="", journal={})
    return said(services, told)


def said(services: Mapping[str, int], told: Mapping[str, Any]) -> Health:
    """From the mint's status: its signer's, with each epoch's under `epochs` where there are several. Pure."""
    each = told.get("epochs") or [told]
    return Health(
        services=services,
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
