"""What a front is told, and what becomes of its answer; `docker` is a script that writes down how it was called."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra import diversions, stacks
from infra.diversions import Diversion
from infra.errors import MissingTool, Unreachable
from infra.ops import fronts
from infra.ops.diverted import restore
from infra.plan.fronts import Borrower, Front
from infra.plan.model import Geography, Node
from infra.stacks import Stack
from node_image.front.runtime import words

STACK = Stack("lights", "drop", 17, "lab", "lights", "", "lights")
NODES = tuple(
    Node(f"quay-{kind}1", "quay", kind, "docker", "10.17.1.10", 22, "root", None, 1, "0x", ())
    for kind in ("appliance", "spare")
)
QUAY = Geography("quay", "The old quay", "10.17.1.0/24", "10.17.1.2", NODES)
PAIR = replace(QUAY, pair=("10.17.1.4", "10.17.1.5"))
HELD = Diversion("failover", "cordon", "ada@desk", "", "2026-11-26T01:20:00+00:00", "quay-spare1")


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Makes `docker` answer so; what it was called with so far, the last words of each call."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    stacks.save(STACK)
    log = tmp_path / "log"
    log.touch()

    def answer(script: str = "") -> list[str]:
        docker = tmp_path / "docker"
        docker.write_text(f'#!/bin/bash\necho "$2: ${{@: -1}}" >>{log}\n{script}\n')
        docker.chmod(0o755)
        return log.read_text().splitlines()

    answer()
    return answer


def test_it_is_told_at_its_own_container(called: Callable[..., list[str]]) -> None:
    fronts.tell("lights", QUAY, {"quay-appliance1": "drain", "quay-spare1": "ready"})
    appliance, spare = (words("quay-appliance1", "appliance", "drain"), words("quay-spare1", "spare", "ready"))
    assert called() == [f"lights-quay-front: {appliance}; {spare}"]


@pytest.mark.parametrize("script", ["echo 'No such server.'", "echo 'No such container' >&2; exit 1"])
def test_what_it_did_not_do_is_said(called: Callable[..., list[str]], script: str) -> None:
    called(script)
    with pytest.raises(Unreachable, match="lights-quay-front: No such"):
        fronts.tell("lights", QUAY, {"quay-spare1": "drain"})


def test_each_of_a_pair_is_told(called: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    fronts.tell("lights", PAIR, {"quay-spare1": "drain"})
    assert [line.split(":")[0] for line in called()] == ["lights-quay-front", "lights-quay-front2"]
    assert capsys.readouterr().err == ""


def test_one_of_a_pair_that_is_dead_is_named_and_the_other_is_told(
    called: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    called('[[ $2 != *front2 ]] || { echo "No such container" >&2; exit 1; }')
    fronts.tell("lights", PAIR, {"quay-spare1": "drain"})
    assert "lights-quay-front2: No such container: it was not told; the other front of quay" in capsys.readouterr().err
    called("exit 1")
    with pytest.raises(Unreachable, match="lights-quay-front: 1"):
        fronts.tell("lights", PAIR, {"quay-spare1": "drain"})


LENDER = replace(QUAY, borrowers=(Borrower("mole", (Front("mole-front", "10.17.2.2"),)),))


def test_a_spare_that_is_set_aside_is_set_aside_by_those_that_it_is_lent_to(
    called: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    fronts.tell_borrowers("lights", LENDER, {"quay-appliance1": "drain"})
    assert called() == [], "an appliance is lent to nobody"
    fronts.tell_borrowers("lights", LENDER, {"quay-appliance1": "drain", "quay-spare1": "drain"})
    assert called("exit 1") == [f"lights-mole-front: {words('quay-spare1', 'lent', 'drain')}"]
    fronts.tell_borrowers("lights", LENDER, {"quay-spare1": "drain"})
    assert "lights-mole-front: 1: it was not told, and may still borrow quay-spare1" in capsys.readouterr().err


def test_what_was_failed_over_at_home_goes_on_being_lent(called: Callable[..., list[str]]) -> None:
    diversions.change("lights", {"quay-spare1": HELD})
    fronts.give_back("lights", LENDER, "quay-spare1")
    assert called() == [
        f"lights-quay-front: {words('quay-spare1', 'spare', 'cordon')}",
        f"lights-mole-front: {words('quay-spare1', 'lent', 'ready')}",
    ]


def test_without_docker_the_hint_is_doctor(
    called: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(MissingTool):
        fronts.tell("lights", QUAY, {"quay-spare1": "drain"})


def test_a_node_that_stood_aside_is_again_what_a_person_had_made_of_it(called: Callable[..., list[str]]) -> None:
    diversions.change("lights", {"quay-appliance1": HELD})
    for node in NODES:
        fronts.give_back("lights", QUAY, node.name)
    cordoned, ready = called()
    assert cordoned.endswith("quay-appliance1 state drain; set server anyone/quay-appliance1 state ready")
    assert ready.endswith("quay-spare1 state ready; set server anyone/quay-spare1 state ready")


def test_up_has_a_front_that_was_made_anew_do_so_again(
    called: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    restore("lights", QUAY)
    assert called() == []
    diversions.change("lights", {"quay-appliance1": HELD})
    restore("lights", QUAY)
    assert len(called("exit 1")) == 1
    assert "quay-appliance1 still get no claims" in capsys.readouterr().err
    restore("lights", QUAY)  # a warning, no fault: all else is up
    assert "should get no claims, but lights-quay-front" in capsys.readouterr().err
