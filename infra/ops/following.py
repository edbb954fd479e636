"""What a command only began is followed over the bus until the box says how it ended: a boot, another release."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from infra.errors import EdgedropError, Unreachable
from infra.ops.output import say
from infra.provision import commands
from infra.provision.commands import Wire
from infra.provision.slots import END_S, ENDS
from node_image.protocol.command import Status
from node_image.recovery.answer import Answer

BOOT_S = 240.0
LOOK_S = 30.0  # for one answer
POLL_S = 1.0


def boot(wire: Wire, before: str) -> Answer:
    """The first answer of another boot."""

    def look() -> Answer | None:
        now = commands.ask(wire)
        return now if now.boot != before else None

    return _until(look, BOOT_S, f"{wire.node} did not come back in {BOOT_S:.0f} s", wire)


def switched(wire: Wire) -> Mapping[str, str]:
    """How the release that is tried there ended; EdgedropError where what ran before is back."""
    begun, seen = time.monotonic(), ""

    def look() -> Mapping[str, str] | None:
        nonlocal seen
        told = commands.tell(wire, Status(), LOOK_S)
        state: Mapping[str, str] = told.outcome.status["slots"] if told.outcome else {}
        if state and state["phase"] != seen:
            seen = state["phase"]
            say(f"{time.monotonic() - begun:3.0f} s  {seen}")
        return state if seen in ENDS else None

    state = _until(look, END_S, f"{wire.node} came to no end", wire)
    if state["phase"] != "committed":
        raise EdgedropError(
            f"release {state['release'][:12]} failed on {wire.node}: {state['why']}; what ran before is back",
            f"what it logged: edgedrop command {wire.node} logs",
        )
    return state


def _until[T](look: Callable[[], T | None], seconds: float, late: str, wire: Wire) -> T:
    """What `look` finds; a box that is silent meanwhile is on its way."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(Unreachable):
            if (found := look()) is not None:
                return found
        time.sleep(POLL_S)  # the pace of asking
    raise Unreachable(late, f"type: edgedrop recover {wire.node}")
