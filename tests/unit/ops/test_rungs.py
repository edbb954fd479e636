"""Which rung follows from what is seen: the mildest that may help, by a way that is there, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from infra.ops.recover import remote
from infra.ops.rungs import KINDS, PROVE_S, Inside, Kind, Seen, Step, Way, next_step, well

RUNS = Inside("b", engine=True, containers={"bus": "running", "mint": "running", "signer": "running"})
NO_ENGINE = Inside("b", engine=False, containers={})
WELL = Seen(
    mint="ready",
    speaks=True,
    front="sends claims to it and to nobody else",
    bus="its agent answers",
    agent=True,
    hub=True,
    ssh="lets us in",
    login=True,
    board="says that its power is on",
    power=True,
    inside=RUNS,
)
HANGS = replace(WELL, mint="does not answer", speaks=False)
DEAD = replace(HANGS, agent=False, login=False, inside=None)


def down(**states: str) -> Inside:
    merged: Mapping[str, str] = {**RUNS.containers, **states}
    return replace(RUNS, containers=merged)


def all_steps(seen: Seen) -> list[tuple[Kind, Way]]:
    """What is tried, one after the other, where nothing helps."""
    found: list[tuple[Kind, Way]] = []
    while step := next_step(seen, [kind for kind, _ in found]):
        found.append((step.kind, step.way))
    return found


@pytest.mark.parametrize(
    ("seen", "steps"),
    [
        (WELL, []),
        (replace(WELL, mint="answers, and is not ready: sold out"), []),
        (replace(WELL, agent=False, hub=False), []),  # without the hub nobody can hear an agent
        (HANGS, [("mint", "bus"), ("signer", "bus"), ("engine", "bus"), ("reboot", "bus"), ("power", "board")]),
        (replace(HANGS, power=None), [("mint", "bus"), ("signer", "bus"), ("engine", "bus"), ("reboot", "bus")]),
        (
            replace(HANGS, hub=False, agent=False, power=None),
            [("mint", "ssh"), ("signer", "ssh"), ("engine", "ssh"), ("reboot", "ssh")],
        ),
        (replace(HANGS, inside=NO_ENGINE), [("engine", "bus"), ("reboot", "bus"), ("power", "board")]),
        (replace(WELL, inside=down(courier="exited")), [("stopped", "bus")]),
        (replace(WELL, inside=NO_ENGINE), [("engine", "bus")]),  # its containers live on without it
        (DEAD, [("power", "board")]),
        (replace(DEAD, power=None), []),
        (replace(DEAD, power=False), [("power", "board")]),
    ],
)
def test_what_is_tried_when_nothing_helps(seen: Seen, steps: list[tuple[str, str]]) -> None:
    assert all_steps(seen) == steps


def test_what_stopped_is_started_before_anything_else_is_blamed() -> None:
    seen = replace(HANGS, inside=down(courier="exited", mint="exited"))
    assert next_step(seen, ()) == Step("stopped", "bus", ("courier", "mint"))
    assert "down: courier, mint" in seen.lines()[-1]


def test_a_silent_agent_is_restarted_over_ssh_and_nothing_else_is_touched() -> None:
    seen = replace(WELL, agent=False)
    assert not well(seen)
    assert next_step(seen, ()) == Step("agent", "ssh")
    assert all_steps(seen) == [("agent", "ssh")], "its mint speaks"
    assert well(replace(seen, has_agent=False)), "a spare has none"
    assert well(replace(seen, login=False)), "nobody could do it; it is told"


def test_every_rung_has_its_words_and_its_time() -> None:
    for kind in KINDS:
        step = Step(kind, "ssh", ("mint",) if kind in {"stopped", "mint"} else ())
        assert step.words("quay-appliance1").endswith("over SSH")
        assert PROVE_S[kind] >= 30


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step("agent", "ssh"), ["systemctl restart edgedrop-door.socket edgedrop-recovery.service"]),
        (
            Step("stopped", "ssh", ("bus", "mint")),
            ["docker restart --time 10 edgedrop-bus", "docker restart --time 10 edgedrop-mint"],
        ),
        (Step("engine", "ssh", ("engine",)), ["systemctl restart docker.service"]),
        (Step("reboot", "ssh"), ["systemd-run --on-active=2 --timer-property=AccuracySec=100ms systemctl reboot"]),
    ],
)
def test_what_is_typed_over_ssh(step: Step, words: list[str]) -> None:
    assert [" ".join(one) for one in remote(step)] == words
