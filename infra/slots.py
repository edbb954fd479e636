"""Each stack's slot: the second byte of its 10.x addresses, taken once and kept under EDGEDROP_HOME.

Between the choice and the network that shows it to everybody lie some seconds: so long another state folder of this
machine is told by a promise in the cache that both have.
"""

from __future__ import annotations

import time
from pathlib import Path

from infra.errors import EdgedropError
from infra.home import cache, home, locked, place, write_private

FIRST, LAST = 16, 239
PROMISED_S = 600.0


def slot_of(stack: str) -> int | None:
    """The slot the stack holds, None before it took one."""
    path = home() / "slots" / stack
    return int(path.read_text()) if path.exists() else None


def take_slot(stack: str, used: set[int]) -> int:
    """The stack's slot, or the lowest that neither an engine's network nor another stack of this state folder uses."""
    path, promises = place("slots", stack), cache() / "slots"
    promises.mkdir(parents=True, exist_ok=True)
    with locked(promises.with_suffix(".lock")):  # two stacks must never get the same slot
        held = {entry.name: int(entry.read_text()) for entry in path.parent.iterdir()}
        if stack not in held:
            held[stack] = _lowest(used | set(held.values()) | _promised(promises))
            (promises / str(held[stack])).write_text(str(home()))
            write_private(path, str(held[stack]).encode())
        return held[stack]


def give_back(stack: str) -> None:
    """The stack is gone."""
    (home() / "slots" / stack).unlink(missing_ok=True)


def _promised(promises: Path) -> set[int]:
    """Slots that other state folders chose just now."""
    now, own = time.time(), str(home())
    fresh = (entry for entry in promises.iterdir() if now - entry.stat().st_mtime < PROMISED_S)
    return {int(entry.name) for entry in fresh if entry.read_text() != own}


def _lowest(taken: set[int]) -> int:
    free = next((slot for slot in range(FIRST, LAST + 1) if slot not in taken), None)
    if free is None:
        raise EdgedropError(
            "all networks 10.16.0.0 to 10.239.0.0 are in use", "take a stack down: edgedrop down <stack>"
        )
    return free
