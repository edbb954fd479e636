"""A wiped box to a claim that it answers: by SSH, from a stick with the uplink cut, and by the playbooks from bare.

The box is a Docker-in-Docker one with its engine and its volumes; all else that Edgedrop put there is gone before each.
The images are built and in the lab's registry.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.measure import Measure
from tests.e2e.conftest import stood_up
from tests.e2e.reimaging import NODE, claim, wipe, without_uplink
from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import Standing, sweep, wait_for

READY_S = 60


def run() -> list[Measure]:
    """All three on one box, after one another."""
    with TemporaryDirectory() as folder:
        os.environ["EDGEDROP_HOME"] = str(Path(folder) / "home")
        found: list[Measure] = []
        for standing in stood_up(Path(folder) / "home"):
            found = measured(standing, Path(folder))
        return found


def measured(standing: Standing, folder: Path) -> list[Measure]:
    """With a drop of one appliance and a spare."""
    stack, stick = f"turn-{standing.run}", str(folder / "stick")
    file = write_small_drop(folder / "drops", "turn", 40)
    file.write_text(file.read_text().replace("pier", "quay"))
    try:
        standing.edgedrop("up", stack, "--lab", standing.lab, "--file", str(file), "--yes")
        bare = timed(stack, lambda: play(standing, stack))
        ssh = timed(stack, lambda: reimage(standing, stack))
        standing.edgedrop("bundle", "current", "--drop", stack, "--out", stick)
        with without_uplink(standing, stack):
            usb = timed(stack, lambda: from_stick(standing, stack, stick))
    finally:
        standing.edgedrop("down", stack, "--yes", check=False)
        sweep(stack)
    load = "wiped to a claim answered; its volumes kept"
    return [
        Measure("ssh_s", "s", ssh, bare, f"{load}; baseline: the playbooks from bare"),
        Measure("usb_s", "s", usb, bare, f"{load}; no uplink, the owner vouches; baseline as above"),
        Measure("bare_s", "s", bare, None, f"{load}; node.yml by hand"),
    ]


def timed(stack: str, what: Callable[[], None]) -> float:
    """Seconds from a wiped box to a voucher of the node's own."""
    wipe(stack)
    begun = time.monotonic()
    what()
    wait_for(lambda: sells(stack), READY_S, "a claim answered")
    return time.monotonic() - begun


def sells(stack: str) -> bool:
    """Whether it answers a claim with a voucher."""
    try:
        claim(stack)
    except AssertionError:
        return False
    return True


def play(standing: Standing, stack: str) -> None:
    """As a person without `edgedrop reimage` would."""
    words = ("ansible-playbook", "-i", "inventory/edgedrop.py", "-l", NODE, "playbooks/node.yml")
    standing.set_up("env", f"EDGEDROP_STACK={stack}", *words)


def reimage(standing: Standing, stack: str, *words: str) -> None:
    """The command."""
    standing.edgedrop("reimage", NODE, "--drop", stack, "--yes", *words)


def from_stick(standing: Standing, stack: str, stick: str) -> None:
    """Without a hub nobody else vouches for its journal."""
    reimage(standing, stack, "--bundle", stick)
    standing.edgedrop("journal", "vouch", NODE, "--drop", stack, "--yes")
