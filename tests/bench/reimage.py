"""A wiped box to a claim that it answers: by SSH, from a stick with the uplink cut, by the playbooks; then a fleet.

The boxes are Docker-in-Docker ones with their engine and their volumes; all else that Edgedrop put there is gone before
each. The images are built and in the lab's registry. `one_more_at_<n>_s` is the n-th box of a fleet that grows.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.measure import Measure
from tests.e2e.conftest import hub_of
from tests.e2e.reimaging import NODE, a_quay, claim, wipe, with_mint, without_uplink
from tests.e2e.standing import Standing, wait_for

BOXES = int(os.environ.get("BOXES", "10"))
TIMES = 3
READY_S = 60
SUPPLY = 400
WIPED = "wiped to a claim answered, its volumes kept"


def run() -> list[Measure]:
    """One box in three ways, then all of them."""
    with TemporaryDirectory() as folder:
        os.environ["EDGEDROP_HOME"] = str(Path(folder) / "home")
        with a_quay(Path(folder), SUPPLY, BOXES) as (standing, stack):
            busy = f"load average before {os.getloadavg()[0]:.1f}"
            return [*one_box(standing, stack, Path(folder), busy), *fleet(standing, stack, busy)]


def one_box(standing: Standing, stack: str, folder: Path, busy: str) -> list[Measure]:
    """The median of some times each; the playbooks once."""
    stick = str(folder / "stick")
    standing.edgedrop("bundle", "current", "--drop", stack, "--out", stick)
    bare = timed(stack, NODE, lambda: play(standing, stack))
    ssh = [timed(stack, NODE, lambda: reimage(standing, stack, NODE)) for _ in range(TIMES)]
    with without_uplink(standing, stack):
        usb = [timed(stack, NODE, lambda: reimage(standing, stack, NODE, "--bundle", stick)) for _ in range(TIMES)]
    measures = [
        Measure(name, "s", statistics.median(found), bare, f"{words}, slowest {max(found):.1f} s of {TIMES}, {busy}")
        for name, found, words in (("ssh_s", ssh, WIPED), ("usb_s", usb, f"{WIPED}, no uplink"))
    ]
    return [*measures, Measure("bare_s", "s", bare, None, f"{WIPED}: appliance.yml and drop.yml, {busy}")]


def fleet(standing: Standing, stack: str, busy: str) -> list[Measure]:
    """All are wiped and come back one after the other; then another release on all, which are well."""
    nodes = [f"quay-appliance{number}" for number in range(1, BOXES + 1)]
    for node in nodes:
        wipe(stack, node)
    found: list[Measure] = []
    for number, node in enumerate(nodes, 1):
        took = timed(stack, node, lambda node=node: reimage(standing, stack, node), wiped=True)  # type: ignore[misc]
        first = found[0].value if found else None
        words = f"{WIPED}, {number - 1} others serve; baseline: the first"
        found.append(Measure(f"one_more_at_{number}_s", "s", took, first, words))
    return [*found, Measure("rolling_s", "s", rolling(standing, stack), None, f"{BOXES} boxes that serve, {busy}")]


def rolling(standing: Standing, stack: str) -> float:
    """Seconds for another release on all of them, as a person types it."""
    other = with_mint(hub_of(standing), "LABEL edgedrop.other=1").digest[:12]
    begun = time.monotonic()
    reimage(standing, stack, "--all", "--canary", "1", "--batch", "3", "--release", other)
    return time.monotonic() - begun


def timed(stack: str, node: str, what: Callable[[], None], *, wiped: bool = False) -> float:
    """Seconds from a wiped box to a voucher of the node's own."""
    if not wiped:
        wipe(stack, node)
    begun = time.monotonic()
    what()
    wait_for(lambda: sells(stack, node), READY_S, "a claim answered")
    took = time.monotonic() - begun
    print(f"{node}: {took:.1f} s", file=sys.stderr, flush=True)  # noqa: T201  for who waits
    return took


def sells(stack: str, node: str) -> bool:
    """Whether it answers a claim with a voucher."""
    try:
        claim(stack, node)
    except AssertionError:
        return False
    return True


def play(standing: Standing, stack: str) -> None:
    """As a person without `edgedrop reimage` would."""
    words = ("ansible-playbook", "-i", "inventory/edgedrop.py", "-l", NODE, "playbooks/node.yml")
    standing.set_up("env", f"EDGEDROP_STACK={stack}", *words)


def reimage(standing: Standing, stack: str, *words: str) -> None:
    """The command."""
    standing.edgedrop("reimage", *words, "--drop", stack, "--yes")
