"""What a command only began is followed over the bus until the box says how it ended: a boot, another release."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from infra.errors import EdgedropError, NotVerified, Unreachable
from infra.ops.output import say
from infra.provision import commands
from infra.provision.commands import Wire
from infra.provision.slots import END_S, ENDS
from node_image.protocol.command import Status
from node_image.recovery.answer import Answer, Refused

BOOT_S = 240.0
LOOK_S = 30.0  # for one answer
POLL_S = 1.0
FETCH_S = 900.0
# Refusals that are the box's standing, and what helps.
STANDS_OTHERWISE = {
    "no_way_back": "edgedrop reimage puts a release there",
    "not_closed": "close its grants first, each: docs/runbooks/box-leaves.md",
    "not_ready": "the signer is just coming up: type it again",
    "stopped": "see docs/runbooks/hsm-out.md, then type it again",
    "not_taken": "edgedrop command <node> status tells how the box stands; --again tries a release that failed before",
    "files_missing": "secrets go over SSH alone, from the machine that brought the drop up: edgedrop reimage <node>",
    "other_installer": "it goes over SSH, which brings the installer: edgedrop reimage <node>",
}


def boot(wire: Wire, before: str) -> Answer:
    """The first answer of another boot."""

    def look() -> Answer | None:
        now = commands.ask(wire)
        return now if now.boot != before else None

    return _until(look, BOOT_S, f"{wire.node} did not come back in {BOOT_S:.0f} s", wire)


def switched(wire: Wire, *, fetches: bool = False) -> Mapping[str, str]:
    """How the release that is tried there ended, after it was fetched (`fetches`); EdgedropError where it failed."""
    begun, seen = time.monotonic(), ""

    def look() -> Mapping[str, str] | None:
        nonlocal seen
        told = commands.tell(wire, Status(), LOOK_S)
        if told.outcome is None:
            return None
        status = told.outcome.status
        now = _fetching(wire.node, status["reimage"]) if fetches else ""
        now = now or status["slots"]["phase"]
        if now != seen:
            say(f"{time.monotonic() - begun:3.0f} s  {now}")
        seen = now
        return dict(status["slots"]) if seen in ENDS else None

    state = _until(look, FETCH_S + END_S if fetches else END_S, f"{wire.node} came to no end", wire)
    if state["phase"] != "committed":
        raise EdgedropError(
            f"release {state['release'][:12]} failed on {wire.node}: {state['why']}; what ran before is back",
            f"what it logged: edgedrop command {wire.node} logs",
        )
    return state


def _fetching(node: str, told: Mapping[str, str]) -> str:
    """What it fetches, nothing where it has all."""
    if told["doing"] == "failed":
        raise EdgedropError(
            f"{node} could not fetch release {told['release'][:12]}: {told['why']}",
            "nothing runs otherwise than before; type the same again, or edgedrop reimage over SSH",
        )
    return f"fetching {told['why']}".strip() if told["doing"] == "fetching" else ""


def refusal(node: str, refused: Refused) -> EdgedropError:
    """A box that stands otherwise is no forgery."""
    told = f"{node} refuses ({refused.code}): {refused.reason}"
    if refused.code in STANDS_OTHERWISE:
        return EdgedropError(told, f"nothing was done; {STANDS_OTHERWISE[refused.code]}")
    return NotVerified(told, "nothing was done")


def _until[T](look: Callable[[], T | None], seconds: float, late: str, wire: Wire) -> T:
    """What `look` finds; a box that is silent meanwhile is on its way."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(Unreachable):
            if (found := look()) is not None:
                return found
        time.sleep(POLL_S)  # the pace of asking
    raise Unreachable(late, f"type: edgedrop recover {wire.node}")
