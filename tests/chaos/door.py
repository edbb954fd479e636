"""The door killed at every sync, rename and wait of a command, its syncs failing, its disk full: done at most once.

Strace injects the fault into the real process. Then the same command is brought again, and a newer one: a restart, or
a drain, which is a file of the door's own. SEEDS says how often each point is met.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from node_image.protocol.command import Drain, Restart
from node_image.recovery.answer import ASK, Answer
from node_image.recovery.drained import FILE
from tests.chaos.outcome import Outcome
from tests.chaos.planted_door import BUGS
from tests.unit.recovery.box import FakeBox, make_box, signed

SEEDS = int(os.environ.get("SEEDS", "10"))
SIDE_BY_SIDE = 2
LIMIT_S = 60
OLD, MINE, NEWER = 10, 20, 30
FAULTS = {
    "SIGKILL at a sync": ("fsync", "signal=KILL", 6),
    "SIGKILL at a rename": ("rename", "signal=KILL", 2),
    "SIGKILL while it acts": ("wait4", "signal=KILL", 1),
    "EIO at a sync": ("fsync", "error=EIO", 6),
    "disk full at a rename": ("rename", "error=ENOSPC", 2),
    "SIGKILL as it drains": ("renameat", "signal=KILL", 1),
    "disk full as it drains": ("renameat", "error=ENOSPC", 1),
}


@dataclass
class Run:
    """Whether the fault was met, and what was wrong after it."""

    met: bool = False
    wrong: list[str] = field(default_factory=list)


def run() -> list[Outcome]:
    """All faults on the door as it is, then each planted bug until one of them finds it."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = []
        for fault, (_, _, points) in FAULTS.items():
            tries = [(fault, point, seed) for point in range(1, points + 1) for seed in range(SEEDS)]
            met = [done for done in pool.map(lambda told: one(*told), tries) if done.met]
            broken = [done for done in met if done.wrong]
            found.append(Outcome(fault, len(met), len(broken), detail=broken[0].wrong[0] if broken else ""))
        bugs = [bug for bug in BUGS if bug != "none"]
        hidden = [bug for bug, caught in zip(bugs, pool.map(_caught, bugs), strict=True) if not caught]
        detail = f"not found: {', '.join(hidden)}" if hidden else ""
        return [*found, Outcome("planted bugs", len(bugs), 0, len(bugs) - len(hidden), len(bugs), detail)]


def _caught(bug: str) -> bool:
    tries = ((fault, point) for fault, (_, _, points) in FAULTS.items() for point in range(1, points + 1))
    return any(one(fault, point, 1, bug).wrong for fault, point in tries)


def one(fault: str, point: int, seed: int, bug: str = "none") -> Run:
    """One box that took a command before (or none), one fault in the next; then that one again, and a newer one."""
    done = Run()
    with tempfile.TemporaryDirectory() as folder:
        box = make_box(Path(folder) / "box")
        if seed % 2:
            _ask(box, bug, signed(Restart("signer"), OLD, nonce=_stands(box, bug).nonce))
        box.place.shared.mkdir(parents=True)
        action = Drain("chaos") if seed % 4 > 1 else Restart("mint")
        mine = signed(action, MINE, nonce=_stands(box, bug).nonce)
        call, what, _ = FAULTS[fault]
        log = Path(folder) / "strace"
        strace = ["strace", "-qq", "-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={point}"]
        _ask(box, bug, mine, strace)
        done.met = "INJECTED" in log.read_text() or "SIGKILL" in log.read_text()
        _judge(box, bug, mine, done)
    return done


def _judge(box: FakeBox, bug: str, mine: bytes, done: Run) -> None:
    """Done at most once, known if it was, and the box takes commands as before."""
    after = _stands(box, bug)
    known = after.newest is not None and after.newest.sequence == MINE
    if _times(box) and not known:
        done.wrong.append("it was done, and the box does not know")
    if after.running:
        done.wrong.append("it is said to be done still")
    _ask(box, bug, mine)
    if _times(box) > 1:
        done.wrong.append("it was done twice")
    newer = _ask(box, bug, signed(Restart("courier"), NEWER, nonce=_stands(box, bug).nonce))
    if newer is None or newer.outcome is None or not newer.outcome.ok:
        done.wrong.append(f"the box takes no newer command: {newer and newer.refused}")


def _times(box: FakeBox) -> int:
    drained = (box.place.shared / FILE).exists()
    return drained + sum(words.endswith("edgedrop-mint") for words in box.called)


def _stands(box: FakeBox, bug: str) -> Answer:
    found = _ask(box, bug, ASK)
    assert found is not None, "the door does not come back"
    return found


def _ask(box: FakeBox, bug: str, asked: bytes, strace: list[str] | None = None) -> Answer | None:
    """The door's answer, None where it died before it gave one."""
    words = [*(strace or []), sys.executable, "-m", "tests.chaos.planted_door", bug]
    told = subprocess.run(words, input=asked, env=box.env, capture_output=True, timeout=LIMIT_S, check=False)
    try:
        return msgspec.json.decode(told.stdout, type=Answer)
    except msgspec.DecodeError:
        return None
