"""The contract walked against the model of its rules, and with bugs planted: `python -m tests.chaos contract`.

`CALLS` and `SECONDS` bound the long walk; whatever comes first ends it, and the outcome says how far it came.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.contract_planted import BUGS, compiled, solc_missing
from tests.chaos.contract_walk import Differs, Walk
from tests.chaos.outcome import Outcome
from tests.e2e.contract_world import ARTIFACT, anvil, world

CALLS = int(os.environ.get("CALLS", "100000"))
SECONDS = float(os.environ.get("SECONDS", "1500"))
A_WALK = 2_000  # calls on one contract: then its tokens are gone
CALLS_TO_FIND = 12_000


def run() -> list[Outcome]:
    """The walk, then every bug."""
    found = [walked()]
    if missing := solc_missing():
        return [*found, Outcome("planted bugs", 0, 1, detail=f"solc is not here: {missing}")]
    return [*found, planted()]


def walked() -> Outcome:
    """On as many chains as there are cores, each with its own seeds."""
    until, lanes = time.monotonic() + SECONDS, os.cpu_count() or 1
    share = -(-CALLS // lanes)
    walking = partial(lane_of, ARTIFACT.read_bytes(), calls=share, until=until)
    with ProcessPoolExecutor(lanes, get_context("spawn")) as pool:
        told = list(pool.map(walking, range(lanes)))
    done, faults = sum(calls for calls, _ in told), [fault for _, fault in told if fault]
    short = f", of {CALLS:,} asked: time was up" if done < CALLS and not faults else ""
    return Outcome("the contract differs from the model", done, len(faults), detail=f"{done:,} calls{short} {faults}")


def lane_of(artifact: bytes, lane: int, calls: int, until: float) -> tuple[int, str]:
    """Walks one after another until it has that many calls; what differed, if anything did."""
    done = 0
    with anvil() as url:
        drop = world(url, artifact=artifact)
        fresh = drop.snapshot()
        for seed in itertools.count(lane * 1_000_000):
            walk = Walk(drop, seed)
            try:
                walk.run(min(A_WALK, calls - done), until)
            except Differs as fault:
                return done + walk.calls, f"seed {seed}, call {walk.calls}: {fault}"
            done += walk.calls
            if done >= calls or time.monotonic() > until:
                return done, ""
            drop.restore(fresh)
            fresh = drop.snapshot()
    return done, ""


def planted() -> Outcome:
    """Each bug compiled into a contract of its own, and walked until it shows."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(BUGS, pool.map(lambda name: shows(name, Path(folder)), BUGS), strict=True))
    hidden = ", ".join(name for name, calls in found.items() if not calls)
    told = ", ".join(f"{name} after {calls}" for name, calls in found.items() if calls)
    return Outcome(
        "planted bugs", len(BUGS), 0, len(BUGS) - len(hidden.split(", ") if hidden else ()), len(BUGS),
        f"hidden: {hidden or 'none'}; found: {told} calls",
    )  # fmt: skip


def shows(name: str, folder: Path) -> int:
    """After how many calls; 0 when never."""
    calls, fault = lane_of(compiled(name, folder), 1, CALLS_TO_FIND, float("inf"))
    return calls if fault else 0
