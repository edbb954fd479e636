"""When a new release is good, and when waiting is of no use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node_image.slots import decide
from node_image.slots.decide import Health, Phase, State
from node_image.slots.health import said

GOOD = Health(
    ("mint", "signer"), {"mint": 0, "signer": 0}, answers=True, ready=True, reason="", waits="", journal={"0xab": 7}
)
WANTED = frozenset({"mint", "signer"})


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (GOOD, ""),
        (replace(GOOD, journal={"0xab": 9, "0xcd": 0}), ""),
        (replace(GOOD, running=("mint",)), "signer does not run"),
        (replace(GOOD, answers=False, ready=False, reason="refused"), "the mint does not answer: refused"),
        (replace(GOOD, journal={"0xab": 6}), "the journal of grant 0xab stood at 7, and now at 6"),
        (replace(GOOD, journal={}), "the journal of grant 0xab stood at 7, and now at nothing"),
        (replace(GOOD, ready=False, reason="the HSM is out"), "it is not ready: the HSM is out"),
        (replace(GOOD, ready=False, reason="no witness", waits="a witness"), "it is not ready: no witness"),
    ],
)
def test_a_gate_says_what_is_not_good(now: Health, why: str) -> None:
    assert decide.gate(GOOD, now, WANTED, patient=False) == why


def test_what_only_the_outside_can_give_is_not_the_releases_fault_after_a_while() -> None:
    waiting = replace(GOOD, ready=False, reason="no witness", waits="a witness")
    assert decide.gate(GOOD, waiting, WANTED, patient=True) == ""
    broken = replace(GOOD, ready=False, reason="the HSM is out")
    assert decide.gate(GOOD, broken, WANTED, patient=True) == "it is not ready: the HSM is out"
    assert decide.gate(broken, broken, WANTED, patient=True) == "", "as before"
    assert decide.gate(replace(broken, answers=False), broken, WANTED, patient=True) != ""


def test_a_container_that_is_started_again_and_again_is_hopeless() -> None:
    assert decide.hopeless(GOOD, replace(GOOD, running=(), restarts={"mint": 3})) == "mint does not stay up"
    assert decide.hopeless(GOOD, replace(GOOD, restarts={"mint": 2})) == ""
    old = replace(GOOD, restarts={"mint": 40})
    assert decide.hopeless(old, replace(GOOD, restarts={"mint": 41})) == "", "it was so before"


def test_a_state_rests_unless_it_is_under_way() -> None:
    busy = {phase for phase in Phase if decide.step(State(phase=phase)) is not decide.Step.REST}
    assert busy == {Phase.TRYING, Phase.COMMITTING, Phase.ROLLING_BACK}


def test_the_mints_word_is_read() -> None:
    told = {"grant_id": "0xab", "journal_seq": 7, "ready": False, "reason": "r", "leases": [{}], "fresh": True}
    timed = {"time": {"lo": 1, "hi": 2}}
    assert said((), {}, told | timed) == Health((), {}, True, False, "r", "", {"0xab": 7})
    assert said((), {}, told | {"leases": []}).waits == "its lease"
    assert said((), {}, told | {"fresh": False}).waits == "a witness"
    assert said((), {}, told | {"time": {"lo": 1, "hi": None}}).waits == "the time"
    both = {"epochs": [told, {"grant_id": "0xcd", "journal_seq": 0}, {"ready": False, "reason": "away"}]}
    assert said((), {}, told | timed | both).journal == {"0xab": 7, "0xcd": 0}
    assert said((), {}, {"ready": False, "reason": "the signer is away"}).waits == ""
