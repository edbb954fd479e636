"""What the signer knows from outside: whether its journal is the newest, and between which instants the time lies.

It has no network: it draws a question, the courier carries it to a witness and brings the signed answer back. Nobody
who carries it can change it, say it a second time, or hold it back for long.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from node_image.protocol import frames, freshness, timing, witness
from node_image.protocol.errors import NotVerified
from node_image.protocol.facts import DropFacts
from node_image.protocol.freshness import Freshness, Seen
from node_image.protocol.hexes import unhex
from node_image.protocol.rules import Standing
from node_image.protocol.timing import SOURCES, Boot, Clock, Interval, Reading, TimeRefused, drift_ms

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NONCE = 32
MAX_OPEN = 64  # questions; a courier has one a witness at a time, and who floods us only has its own forgotten
ANSWER_MS = 10_000  # a satellite's round trip and a busy ledger; meanwhile another box could have gone on with a copy
WAIT_MS = 15_000  # a leaf dials its hub and a courier asks some times
# A TIME frame costs a sync, so few are written. After a reboot one source alone moves the time by timing.JUMP_MS beyond
# the floor: with a floor of two minutes ago, a box that is back within three needs the hub alone.
FLOOR_STEP_MS = 120_000
WIDE_MS = 1_000  # the rules take whole seconds: an interval that narrows by less decides nothing else


def machine_count() -> Callable[[], Boot]:
    """CLOCK_BOOTTIME: nobody sets it, and it goes on while the machine sleeps; another boot has another count."""
    boot_id = BOOT_ID.read_text().strip()
    return lambda: Boot(boot_id, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness said, and what follows for the time (None where it is no source of time)."""

    seen: Seen
    reading: Reading | None
    envelope: bytes


class Outlook:
    """Nonces, the verdict, and the readings that were not believed. Nothing of it outlives the process.

    The verdict is fresh from the first witness on and stays so while nobody is asked: what this process adds is known.
    One that is final stays for ever.
    """

    def __init__(self, facts: DropFacts, now: Callable[[], Boot]) -> None:
        self._grant_id = unhex(facts.grant_id)
        keys = facts.witnesses | {witness.OWNER: facts.owner_public_key}
        self._keys = {name: pem.encode() for name, pem in keys.items()}
        self._now, self._started = now, now()
        self._open: dict[bytes, Boot] = {}
        self._doubted: dict[str, Answer] = {}  # by source
        self.verdict = freshness.judge(0, bytes, ())
        self.vouched_by: tuple[str, ...] = ()  # since the start: what was signed after that is evidence, come what may
        self.time_refused = ""

    def question(self) -> bytes:
        """A nonce for one question."""
        while len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        nonce = secrets.token_bytes(NONCE)
        self._open[nonce] = self._now()
        return nonce

    def hear(self, envelope: bytes) -> Answer:
        """The answer to one of our questions, once and soon after it; else NotVerified."""
        told, here = witness.heard(envelope, self._keys), self._now()
        if unhex(told.grant_id) != self._grant_id:
            raise NotVerified("the statement is about another grant")
        asked = self._open.pop(unhex(told.nonce), None)
        if asked is None:
            raise NotVerified("the statement answers no question of this signer, or one that was answered")
        passed = here.ms - asked.ms
        if passed > ANSWER_MS:
            raise NotVerified(f"the statement came {passed} ms after its question, more than {ANSWER_MS}")
        seen = Seen(told.witness, told.journal_seq, unhex(told.head))
        # The witness looked at its clock after the nonce was drawn and before the answer was here. So now it is `at_ms`
        # at least, and no more than the whole round trip later, by our own count: its way there and back is not known.
        # Our count may be slow, and is of whole milliseconds.
        latest = told.at_ms + passed + drift_ms(passed) + 1
        reading = Reading(told.witness, told.at_ms, latest, here) if told.witness in SOURCES else None
        return Answer(seen, reading, envelope)

    def judge(self, length: int, head_after: Callable[[int], bytes], seen: Seen) -> None:
        """How a journal of `length` frames stands to what was seen of it."""
        if not self.verdict.final:
            self.verdict = freshness.judge(length, head_after, [seen])
            if self.verdict.freshness is Freshness.FRESH and seen.witness not in self.vouched_by:
                self.vouched_by = (*self.vouched_by, seen.witness)

    def believe(self, clock: Clock, answer: Answer) -> frames.Time | None:
        """The TIME frame that an answer is worth; None where the clock does without, or does not believe it."""
        if answer.reading is None:
            return None
        source = answer.reading.source
        try:
            heard = timing.hear(clock, answer.reading, self._contradicting())
        except TimeRefused as fault:
            self._doubted[source], self.time_refused = answer, str(fault)
            return None
        told = [one for one in (*self._doubted.values(), answer) if one.reading in heard.readings]
        for one in heard.readings:
            self._doubted.pop(one.source, None)
        self.time_refused = ""
        if not _worth_a_frame(clock, heard.clock, answer.reading):
            return None
        return frames.Time(tuple(_recorded(one) for one in told), heard.clock.floor_ms)

    def standing(self, clock: Clock, issued_at: int) -> Standing:
        """Now; never before what was issued."""
        here = self._now()
        found = clock.at(here)
        lo = max(found.lo, issued_at)
        hi = None if clock.doubted(self._contradicting(), here) else found.hi
        waiting = here.ms - self._started.ms < WAIT_MS
        return Standing(Interval(lo, None if hi is None else max(lo, hi)), self.verdict, waiting)

    def _contradicting(self) -> list[Reading]:
        return [one.reading for one in self._doubted.values() if one.reading]


def _worth_a_frame(clock: Clock, moved: Clock, reading: Reading) -> bool:
    """Nothing bounded the time, or it lies elsewhere than was known, or much nearer, or the floor is old."""
    lo, hi = clock.bounds(reading.boot)
    new_lo, new_hi = moved.bounds(reading.boot)
    if hi is None or new_hi is None or new_lo > hi or new_hi < lo:
        return True
    narrowed = (hi - lo) - (new_hi - new_lo)
    return narrowed >= WIDE_MS or moved.floor_ms - clock.floor_ms >= FLOOR_STEP_MS


def _recorded(one: Answer) -> frames.Reading:
    reading = one.reading
    if reading is None:
        raise TypeError("an answer that says no time")
    return frames.Reading(reading.source, reading.lo_ms, reading.hi_ms, reading.boot.id, reading.boot.ms, one.envelope)
