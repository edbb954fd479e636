"""Whatever the bus does to questions and answers: while the witness's clock is right, the interval holds the time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified
from node_image.protocol.journal import NO_HEAD, Frame, JournalState, Kind, encode, follow
from node_image.protocol.timing import DRIFT_PPM, Boot
from node_image.signer.outlook import Outlook
from tests.a_witness import Witness
from tests.unit.protocol.world import FACTS, NOW

KEY = dsse.new_private_pem()
MS = st.integers(0, 15_000)


@dataclass(frozen=True)
class Step:
    """Time passes, then a question is on its way there and back; or a reboot, or an answer said again."""

    passed_ms: int
    there_ms: int
    back_ms: int
    reboot: bool
    again: bool


@dataclass
class Box:
    """The true time, and a count that runs `ppm` fast or slow."""

    ppm: int
    now_ms: int = NOW * 1000
    boots: int = 0
    booted_ms: int = NOW * 1000

    def count(self) -> Boot:
        """CLOCK_BOOTTIME of a crystal that is wrong."""
        passed = self.now_ms - self.booted_ms
        return Boot(f"b{self.boots}", passed + passed * self.ppm // 1_000_000)


STEPS = st.lists(st.builds(Step, st.integers(0, 10**7), MS, MS, st.booleans(), st.booleans()), max_size=12)


@settings(deadline=None)
@given(STEPS, st.integers(-DRIFT_PPM, DRIFT_PPM))
def test_the_interval_holds_the_true_time(steps: list[Step], ppm: int) -> None:
    box, state, answers = Box(ppm), JournalState(), list[bytes]()
    witness = Witness(KEY, now_ms=lambda: box.now_ms)
    facts = msgspec.structs.replace(FACTS, witnesses=witness.public)
    outlook = Outlook(facts, box.count)
    state.apply(encode(Kind.GRANT, 0, {"grant_id": bytes(32), "key": bytes(20)}, NO_HEAD))
    for step in steps:
        box.now_ms += step.passed_ms
        if step.reboot:
            box.boots, box.booted_ms = box.boots + 1, box.now_ms
            outlook = Outlook(facts, box.count)
        for said in answers if step.again else ():
            with pytest.raises(NotVerified):
                outlook.hear(said)
        nonce = outlook.question()
        box.now_ms += step.there_ms
        answers.append(witness.answer(facts.grant_id, nonce))
        box.now_ms += step.back_ms
        heard(outlook, state, answers[-1])
        found = outlook.standing(state.clock, 0).time
        assert found.lo * 1000 <= box.now_ms
        assert found.hi is None or box.now_ms <= found.hi * 1000


def heard(outlook: Outlook, state: JournalState, envelope: bytes) -> None:
    """As the signer takes it; a TIME frame that the rules of a journal refuse is a fault of this test."""
    try:
        answer = outlook.hear(envelope)
    except NotVerified:
        return  # late
    outlook.judge(state.journal_seq, lambda _: NO_HEAD, replace(answer.seen, frames=0))
    if told := outlook.believe(state.clock, answer):
        frame: Frame = follow(Kind.TIME, state.journal_seq, told, state.head)
        state.apply(frame)
