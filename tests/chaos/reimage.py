"""A re-image interrupted at a random point, over and over, on a real box: always the old release or the new, whole.

Tool, installer, engine or box are killed, the cable is out, the disk is full. Then the box is left alone until it has
come to its end by itself; what it sold and its journal are as they were, and the same command typed again does it.
`N` says how many interruptions there are, `SEED` which.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import release
from infra.release import Release
from tests.chaos.outcome import Outcome
from tests.chaos.planted_reimage import BUGS
from tests.chaos.reimage_box import END_S, PATIENCE_S, TOOL_S, Place, Tool
from tests.e2e.conftest import hub_of
from tests.e2e.reimaging import NODE, a_quay, box, with_mint
from tests.e2e.standing import docker, wait_for

N = int(os.environ.get("N", "100"))
SEED = int(os.environ.get("SEED", "1"))
SUPPLY = 2400
EARLIEST_S = 1.0  # before it the tool only reads
OUT_S = 3.0  # a cable, at most
BUG_END_S = 30.0
SLOTS = "/var/lib/edgedrop/slots"
# The box's disk is this machine's: for a full one the slots get a small one of their own.
SMALL = f"""\
rm -rf /tmp/slots && cp -a {SLOTS} /tmp/slots && mount -t tmpfs -o size=160m,mode=700 small {SLOTS}
cp -a --sparse=never /tmp/slots/. {SLOTS}"""
FILL = f"dd if=/dev/zero of={SLOTS}/filler bs=4k || true"
CLEAR = f"rm -f {SLOTS}/filler"
LARGE = f"""\
rm -rf /tmp/slots && cp -a {SLOTS} /tmp/slots && umount {SLOTS} && rm -rf {SLOTS}/* && cp -a /tmp/slots/. {SLOTS}"""


@dataclass(frozen=True, slots=True)
class World:
    """The node, its two releases, one that does not run, and how long an undisturbed re-image takes."""

    place: Place
    releases: tuple[Release, Release]
    bad: Release
    random: random.Random
    takes_s: float
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)  # fault, and whether it is the old or the new one

    def shell(self, script: str) -> None:
        """In the box."""
        box(self.place.stack, "sh", "-ec", script)

    def other(self) -> Release:
        """The one that does not run now."""
        one, two = self.releases
        return two if self.place.stands == one else one


def run() -> list[Outcome]:
    """All faults in turn, a release that does not run, then each planted bug."""
    found: dict[str, list[str]] = {fault: [] for fault in FAULTS}
    with world() as there:
        for number in range(N):
            fault = list(FAULTS)[number % len(FAULTS)]
            began, at = time.monotonic(), there.random.uniform(EARLIEST_S, there.takes_s)
            found[fault].append(interrupted(there, fault, at))
            words = f"{number + 1} of {N}: {fault} at {at:.1f} s of {there.takes_s:.1f}: {found[fault][-1] or 'well'}"
            print(f"{words}, {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)  # noqa: T201  for who waits
        outcomes = [outcome(there, fault, wrong) for fault, wrong in found.items()]
        outcomes.append(outcome(there, BAD, [does_not_run(there)]))
        return [*outcomes, planted(there)]


@contextmanager
def world() -> Iterator[World]:
    """A lab and a drop of their own, and both releases once on the box: no image is pulled any more after it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["EDGEDROP_HOME"] = str(folder / "home")
        with a_quay(folder, SUPPLY) as (standing, stack):
            hub, now = hub_of(standing), release.current(standing.lab)
            other = with_mint(hub, "LABEL edgedrop.other=1", "signer")
            place = Place(standing, stack, now, folder)
            made = World(place, (now, other), with_mint(hub, 'ENTRYPOINT ["false"]'), random.Random(SEED), 0)  # noqa: S311
            wait_for(lambda: not place.wrong(), 60, "a node that sells")
            undisturbed(made)
            yield replace(made, takes_s=undisturbed(made))


def undisturbed(there: World) -> float:
    """Seconds that a re-image takes; RuntimeError where nobody interrupts it and it fails."""
    began = time.monotonic()
    if why := there.place.again(there.other()):
        raise RuntimeError(why)
    return time.monotonic() - began


def interrupted(there: World, fault: str, at_s: float) -> str:
    """What is wrong after it, or when the same is typed again."""
    place, old, new = there.place, there.place.stands, there.other()
    full = fault == DISK_FULL
    if full:
        there.shell(SMALL)
    tool = place.type(new)
    tool.ended(at_s)
    FAULTS[fault](there, tool)
    tool.ended(PATIENCE_S)
    tool.kill()
    why = place.on_one(old, new) if full else ""
    if full:
        there.shell(CLEAR)
    why = why or place.at_an_end(old, new) or place.wrong()
    there.ended[fault, "new" if place.stands == new else "old"] += 1
    if full:
        there.shell(LARGE)
    return why or place.again(new)


def does_not_run(there: World, bug: str = "") -> str:
    """The old one is back by itself, though nobody waits for it."""
    place, old = there.place, there.place.stands
    struck_while_trying(there, there.bad, bug, lambda tool: tool.kill())
    why = place.at_an_end(old, there.bad)
    return why or ("a release that does not run is committed" if place.stands != old else place.wrong())


def struck_while_trying(there: World, wanted: Release, bug: str, strike: Callable[[Tool], None]) -> None:
    """The tool types it, and as soon as the box tries it, this."""
    tool = there.place.type(wanted, "--again", bug=bug)
    wait_for(lambda: "trying" in tool.said() or tool.process.poll() is not None, TOOL_S, "a try")
    strike(tool)
    tool.kill()


def planted(there: World) -> Outcome:
    """An installer with each bug, under what is to show it; then the node is itself again."""
    hidden = []
    for bug in BUGS:
        place, there.place.end_s = there.place, BUG_END_S
        if bug == "remembers_until_the_next_boot":
            old, new = place.stands, there.other()
            struck_while_trying(there, new, bug, lambda _: box_killed(there))
            why = place.at_an_end(old, new)
        else:
            why = does_not_run(there, bug)
        print(f"{bug}: {why or 'not found'}", file=sys.stderr, flush=True)  # noqa: T201  for who waits
        hidden += [] if why else [bug]
        place.end_s = END_S
        if why := place.again(there.releases[0]):
            raise RuntimeError(f"after {bug}: {why}")
    detail = f"not found: {', '.join(hidden)}" if hidden else ""
    return Outcome("planted bugs", len(BUGS), 0, len(BUGS) - len(hidden), len(BUGS), detail)


def outcome(there: World, fault: str, wrong: list[str]) -> Outcome:
    """Of one fault."""
    broken = [why for why in wrong if why]
    ends = ", ".join(f"{count} the {which} one" for (of, which), count in sorted(there.ended.items()) if of == fault)
    return Outcome(fault, len(wrong), len(broken), detail=broken[0] if broken else ends)


# ---- faults


def tool_killed(_: World, tool: Tool) -> None:
    """And with it the SSH session."""
    tool.kill()


def installer_killed(there: World, _: Tool) -> None:
    """Whatever of it is at work on the box."""
    there.shell("pkill -9 -f '[s]lots.pyz' || true")


def engine_killed(there: World, _: Tool) -> None:
    """Its dockerd, which systemd starts again."""
    there.shell("systemctl kill -s KILL docker.service")


def box_killed(there: World, *_: Tool) -> None:
    """As if its power had gone, and come again."""
    docker("kill", f"{there.place.stack}-{NODE}")
    docker("start", f"{there.place.stack}-{NODE}")


def cable_out(there: World, tool: Tool) -> None:
    """Neither hub nor front nor we reach it for a while."""
    node, lab = f"{there.place.stack}-{NODE}", there.place.standing.lab
    own = f"{there.place.stack}-quay"
    for network in (own, f"{lab}-hub"):
        docker("network", "disconnect", "-f", network, node)
    tool.ended(there.random.uniform(0, OUT_S))
    docker("network", "connect", "--ip", there.place.at, own, node)
    docker("network", "connect", f"{lab}-hub", node)


def disk_full(there: World, _: Tool) -> None:
    """No byte more."""
    there.shell(FILL)


DISK_FULL, BAD = "disk full", "a release that does not run; tool killed"
FAULTS: dict[str, Callable[[World, Tool], None]] = {
    "tool killed": tool_killed,
    "installer killed": installer_killed,
    "engine killed": engine_killed,
    "box killed": box_killed,
    "cable out": cable_out,
    DISK_FULL: disk_full,
}
