"""The signer and what it is told from outside: restored copies of its journal, other histories, clocks that lie.

Each exercise says what went wrong; on the signer as it is nothing may, and on each planted bug something must.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from node_image.protocol import journal
from node_image.protocol.timing import JUMP_MS
from node_image.signer.client import SignerAway, SignerClient, SignerRefused, tail
from tests.a_witness import Witness, wall_ms
from tests.chaos.outcome import Outcome
from tests.chaos.planted import OF_THE_OUTSIDE
from tests.chaos.signer_process import SIGNED, copy_of, signer
from tests.drop_on_disk import Drop

HOUR_S = 3600
QUIET_S = 0.5  # so long a tail is listened to


class SignerDied(Exception):
    """No exercise is a reason to."""


@dataclass
class Box:
    """One node: its files, the bug in its signer, and what went wrong."""

    drop: Drop
    bug: str
    wrong: list[str] = field(default_factory=list)
    sold: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def journal(self) -> Path:
        """Its file."""
        (found,) = (self.drop.folder / "journal").glob("*.journal")
        return found

    @contextmanager
    def running(self) -> Iterator[None]:
        """A signer process, once it knows its key and holds its lease."""
        with signer(self.drop, self.bug) as process:
            self.process = process
            key = self.drop.ask("address")["key"]
            self.ask("lease", envelope=self.drop.lease(str(key)))
            yield

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """One question on a connection of its own; a no is an empty answer."""
        deadline = time.monotonic() + 20
        while True:
            try:
                return asyncio.run(SignerClient(self.drop.socket).ask(op, **fields))
            except SignerRefused:
                return {}
            except SignerAway:
                if self.process.poll() is not None:
                    raise SignerDied from None
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)  # the pace of asking

    def hear(self, witness: Witness) -> bytes:
        """A question answered by this witness; the answer."""
        asked = self.ask("question")
        answer = witness.answer(asked["grant_id"], asked["nonce"])
        self.ask("witness", envelope=answer)
        return answer

    def sells(self) -> bool:
        """Whether a claim gets a voucher; the lease key may sign nothing where it does not."""
        self.sold += 1
        asked, before = self.drop.claim(f"c{self.sold}"), self._signatures()
        fields = {"claim_id": asked.claim_id, "tier": 0, "to": asked.to, "slot": 0, "signature": asked.signature}
        answered = "voucher" in self.ask("claim", **fields)
        if not answered and self._signatures() != before:
            self.wrong.append("a claim was refused, and signed")
        return answered

    def must(self, right: bool, what: str) -> None:
        """Else it goes wrong."""
        if not right:
            self.wrong.append(what)

    def seen(self) -> Witness:
        """Who was shipped the journal as it is now."""
        frames = journal.scan(self.journal.read_bytes()).frames
        return replace(self.drop.witness, frames=len(frames), head=frames[-1].head)

    def ships(self) -> bool:
        """Whether frames come out."""

        async def some() -> bool:
            async for _ in tail(self.drop.socket, 0):
                return True
            return False

        async def within() -> bool:
            try:
                return await asyncio.wait_for(some(), QUIET_S)
            except TimeoutError:
                return False

        return asyncio.run(within())

    def _signatures(self) -> int:
        file = self.drop.folder / SIGNED
        return file.stat().st_size if file.exists() else 0


def restored_copy(box: Box) -> None:
    """A disk from before the last sales comes back; then a journal that sold something else."""
    copy = box.drop.folder / "copy"
    with box.running():
        box.hear(box.drop.witness)
        box.must(box.sells(), "a signer that is vouched for does not sell")
        shutil.copy(box.journal, copy)
        box.must(box.sells() and box.sells(), "a signer that is vouched for does not sell")
    whole = box.seen()
    shutil.copy(copy, box.journal)
    with box.running():
        box.must(not box.sells(), "a restored copy sells with no witness")
        box.must(not box.ships(), "a restored copy is shipped")
        box.hear(whole)
        box.must(not box.sells(), "a restored copy sells, and its witness saw more")
        box.hear(box.drop.witness)
        box.must(not box.sells(), "a restored copy sells once another witness saw less")
    with box.running():
        box.hear(replace(whole, frames=box.seen().frames))
        box.must(not box.sells(), "another history than the witness saw sells")


def false_answers(box: Box) -> None:
    """An answer to a process that is gone, and a stranger's."""
    with box.running():
        answer = box.hear(box.drop.witness)
        box.must(box.sells(), "a signer that is vouched for does not sell")
    with box.running():
        box.ask("witness", envelope=answer)
        box.must(not box.sells(), "an answer is believed a second time")
        box.hear(Witness())
        box.must(not box.sells(), "a stranger is believed")


def wrong_by(box: Box, seconds: int) -> Witness:
    """The box's witness with such a clock."""
    return replace(box.drop.witness, now_ms=lambda: wall_ms() + seconds * 1000)


def clocks_that_lie(box: Box) -> None:
    """A hub that is wrong by more than one source may, and one that goes back below the floor."""
    with box.running():
        box.hear(box.drop.witness)
        before = _time(box)
        box.hear(wrong_by(box, JUMP_MS // 1000 + 10))
        box.must(_time(box)["lo"] < before["lo"] + JUMP_MS // 1000, "one source alone poisons the floor")
        box.hear(wrong_by(box, -JUMP_MS // 2000))
        box.must(_time(box)["lo"] >= before["lo"], "the clock goes back below its floor")
        box.must(box.sells(), "a lie that was not believed stops the sale")


def outside_the_window(box: Box) -> None:
    """The source says that the window is not open yet, or over, and the machine's own clock that it is open."""
    now = int(time.time())
    for window, off_s in (({"opens_at": now - HOUR_S}, -2 * HOUR_S), ({"closes_at": now + HOUR_S}, HOUR_S)):
        facts = msgspec.structs.replace(box.drop.facts, **window)
        (box.drop.folder / "drop" / "drop.json").write_bytes(msgspec.json.encode(facts))
        with box.running():
            box.hear(wrong_by(box, off_s))
            box.must(not box.sells(), "a claim is signed outside the window")
        box.journal.unlink()


EXERCISES: tuple[Callable[[Box], None], ...] = (restored_copy, false_answers, clocks_that_lie, outside_the_window)


def outcomes(template: Drop, pool: Executor) -> list[Outcome]:
    """Every exercise on the signer as it is, then all of them on every bug."""
    found = []
    for exercise, wrong in zip(EXERCISES, pool.map(lambda one: met(template, one, ""), EXERCISES), strict=True):
        words = (exercise.__doc__ or "").strip()
        found.append(Outcome(words, 1, len(wrong), detail=wrong[0] if wrong else ""))
    caught = list(pool.map(lambda bug: any(met(template, one, bug) for one in EXERCISES), OF_THE_OUTSIDE))
    hidden = [bug for bug, was_caught in zip(OF_THE_OUTSIDE, caught, strict=True) if not was_caught]
    detail = f"not found: {', '.join(hidden)}" if hidden else ""
    total = len(OF_THE_OUTSIDE)
    return [*found, Outcome("planted bugs of the outside", total, 0, total - len(hidden), total, detail)]


def met(template: Drop, exercise: Callable[[Box], None], bug: str) -> list[str]:
    """What went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        box = Box(copy_of(template, Path(folder) / "d"), bug)
        try:
            exercise(box)
        except SignerDied:
            box.wrong.append("the signer died")
        return box.wrong


def _time(box: Box) -> dict[str, Any]:
    told: dict[str, Any] = box.ask("status")["time"]
    return told
