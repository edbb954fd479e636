"""Each stack's slot: the second byte of its 10.x addresses, taken once and kept under EDGEDROP_HOME."""

from __future__ import annotations

import os

from infra.errors import EdgedropError
from infra.home import home, place

FIRST, LAST = 16, 239


def slot_of(stack: str) -> int | None:
    """The slot the stack holds, None before it took one."""
    path = home() / "slots" / stack
    return int(path.read_text()) if path.exists() else None


def take_slot(stack: str, used: set[int]) -> int:
    """The lowest slot that neither an engine's network nor another stack of this state folder uses."""
    folder = place("slots", stack).parent
    held = {int(path.read_text()) for path in folder.iterdir()}
    free = [slot for slot in range(FIRST, LAST + 1) if slot not in used | held]
    if not free:
        raise EdgedropError(
            "all networks 10.16.0.0 to 10.239.0.0 are in use", "take a stack down: edgedrop down <stack>"
        )
    # O_EXCL: of two runs that take a slot for the same stack at once, one is told.
    with os.fdopen(os.open(folder / stack, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(str(free[0]))
    return free[0]


def give_back(stack: str) -> None:
    """The stack is gone."""
    (home() / "slots" / stack).unlink(missing_ok=True)
