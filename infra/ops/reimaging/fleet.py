"""A rolling re-image: `rolling.py` says who begins, threads carry them out, the first failure stops it.

It keeps nothing of its own: the same command typed again finds by the boxes who is on the release, and goes on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import httpx

from infra import diversions
from infra.audit import audited
from infra.errors import EdgedropError, Unreachable
from infra.ops.interrupts import listening
from infra.ops.output import say
from infra.ops.reimaging.looking import Looked
from infra.ops.reimaging.one import Job, carry_out, judge
from infra.ops.reimaging.rolling import Pace, Stand, blocked, next_nodes
from infra.ops.reimaging.shown import Fleet
from infra.ops.served import ANSWER_S, SEEN_S, in_service
from infra.plan.model import Geography
from infra.provision.wait import until

POLL_S = 0.5

Did = Literal["done", "was done", "failed", "not begun"]
DID: Mapping[Stand, Did] = {Stand.DONE: "done", Stand.FAILED: "failed", Stand.WAITING: "not begun"}


@dataclass(frozen=True, slots=True)
class Ended:
    """One node's part; `release` is what it runs as far as anybody saw."""

    node: str
    geo: str
    did: Did
    release: str
    seconds: float
    why: str = ""


@dataclass(slots=True)
class Rolling:
    """`stopped` is the first failure, or what kept the next one from beginning."""

    jobs: Mapping[str, Job]
    looked: Mapping[str, Looked]
    pace: Pace
    shown: Fleet
    stands: dict[str, Stand] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    faults: dict[str, EdgedropError] = field(default_factory=dict)
    stopped: EdgedropError | None = None
    heard: queue.Queue[tuple[str, float, Exception | None]] = field(default_factory=queue.Queue)

    def run(self) -> None:
        """Until all are done, or it is stopped and those under way have ended."""
        self.stands = {name: Stand.DONE if self.looked[name].well else Stand.WAITING for name in self.jobs}
        last = time.monotonic()
        # trust_env: a proxy of this machine knows nothing of the drop's addresses.
        with listening() as pressed, httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
            while self._goes_on():
                if pressed():
                    self._interrupted()
                if self._begin(client) or self._hear():
                    last = time.monotonic()
                elif not self._count(Stand.TAKEN) and time.monotonic() - last > SEEN_S:
                    self.stopped = self._blocked(client)

    def ended(self) -> tuple[Ended, ...]:
        """Each node's part, in the order that they were to go."""
        return tuple(self._ended(name, stand) for name, stand in self.stands.items())

    def _goes_on(self) -> bool:
        waits = self._count(Stand.WAITING) and not self.stopped
        under_way, done = self._count(Stand.TAKEN), self._count(Stand.DONE)
        self.shown.done(done, f"{under_way} under way, {'it stops' if self.stopped else f'{waits} wait'}")
        return bool(waits or under_way)

    def _begin(self, client: httpx.Client) -> bool:
        """Those who may, each in a thread that ends with us: their boxes need nobody."""
        names = next_nodes(self.stands, self.pace, self._places(), self._away(client)) if not self.stopped else ()
        for name in names:
            self.stands[name] = Stand.TAKEN
            threading.Thread(target=self._carry_out, args=(client, name), daemon=True).start()
        return bool(names)

    def _carry_out(self, client: httpx.Client, name: str) -> None:
        begun, fault = time.monotonic(), None
        try:
            _one(client, self.jobs[name], self.shown)
        except Exception as found:  # noqa: BLE001  whoever hears it tells or raises it
            fault = found
        self.heard.put((name, time.monotonic() - begun, fault))

    def _hear(self) -> bool:
        """What became of one, if one ends soon."""
        try:
            name, seconds, fault = self.heard.get(timeout=POLL_S)
        except queue.Empty:
            return False
        self._end(name, seconds, fault)
        return True

    def _interrupted(self) -> None:
        """The first Ctrl-C lets those under way end."""
        if self.stopped:
            raise KeyboardInterrupt
        say("no other node begins; once more leaves those under way to themselves")
        self.stopped = EdgedropError("it was interrupted", "the same command goes on")

    def _end(self, name: str, seconds: float, fault: Exception | None) -> None:
        if fault is not None and not isinstance(fault, EdgedropError):
            raise fault
        self.took[name], self.stands[name] = seconds, Stand.FAILED if fault else Stand.DONE
        self.shown.by_node[name].ends(f"failed: {fault.message}" if fault else f"done after {seconds:.0f} s")
        if fault is not None:
            self.faults[name] = fault
            self.stopped = self.stopped or type(fault)(
                f"stopped at {name}: {fault.message}", f"{fault.hint}; then the same command goes on"
            )

    def _blocked(self, client: httpx.Client) -> EdgedropError:
        name, others = blocked(self.stands, self._places(), self._away(client))
        return Unreachable(
            f"{name} is not taken while {', '.join(others)} of its geography is not in service",
            "edgedrop status says how that one is; the same command goes on when it is back",
        )

    def _ended(self, name: str, stand: Stand) -> Ended:
        seen, job = self.looked[name], self.jobs[name]
        did, fault = "was done" if seen.well else DID[stand], self.faults.get(name)
        release = job.release if stand is Stand.DONE else seen.release
        return Ended(name, job.geo.name, did, release, round(self.took.get(name, 0), 1), fault.message if fault else "")

    def _count(self, stand: Stand) -> int:
        return sum(one is stand for one in self.stands.values())

    def _geographies(self) -> dict[str, Geography]:
        return {job.geo.name: job.geo for job in self.jobs.values()}

    def _places(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(node.name for node in geo.nodes) for name, geo in self._geographies().items()}

    def _away(self, client: httpx.Client) -> set[str]:
        """By their fronts' word; of a front that is silent all."""
        geographies = self._geographies().values()
        up = {name for geo in geographies for name in in_service(client, geo)}
        return {node.name for geo in geographies for node in geo.nodes} - up


def _one(client: httpx.Client, job: Job, shown: Fleet) -> None:
    """To its end, and until its front sends it buyers again: its neighbour may be next."""
    watch = shown.by_node[job.node.name]
    with audited("reimage", job.drop, [job.node.name], job.trail):
        judge(job, carry_out(job, watch).state)
        if job.node.name in diversions.read(job.drop):
            return  # a person's word keeps buyers from it

        def look() -> tuple[str, str]:
            up = job.node.name in in_service(client, job.geo)
            return ("in service" if up else "", "its front sends it nobody")

        watch.say(until(look, SEEN_S, f"{job.node.name} is on release {job.release[:12]} and not back in service"))
