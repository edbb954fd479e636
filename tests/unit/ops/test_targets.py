"""From names to stacks: a stack that stands keeps what it stands for; a faulty name leaves nothing behind."""

from pathlib import Path

import pytest

from infra import stacks
from infra.errors import BadUsage, MissingTool
from infra.ops import targets
from infra.ops.targets import resolve


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of its own, and an engine with a network in 10.16.0.0/16."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    monkeypatch.setenv("EDGEDROP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(targets, "_used_slots", lambda: {16})
    return tmp_path


USED = targets._used_slots  # the real one


def engine(folder: Path, monkeypatch: pytest.MonkeyPatch, inspect: str) -> None:
    """A `docker` that lists two networks, and then says this of them."""
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\n[ "$2" = ls ] && echo "one two" && exit\n{inspect}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_network_that_goes_while_it_is_looked_at_is_no_dead_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = '[{"IPAM": {"Config": [{"Subnet": "10.21.0.0/16"}]}}]'
    engine(tmp_path, monkeypatch, f"echo '{one}'; echo 'Error: No such network: two' >&2; exit 1")
    assert USED() == {21}
    engine(tmp_path, monkeypatch, "echo 'Cannot connect' >&2; exit 1")
    with pytest.raises(MissingTool, match="no Docker engine answers: Cannot connect"):
        USED()


def test_a_lab_comes_before_its_drop_whatever_was_named_first() -> None:
    lab, drop = resolve(["harbour-lights", "lab"])
    assert (lab.name, lab.kind, drop.name, drop.lab, drop.drop) == (
        "lab",
        "lab",
        "harbour-lights",
        "lab",
        "harbour-lights",
    )
    assert {lab.slot, drop.slot} == {17, 18}
    assert stacks.load("harbour-lights") == drop


def test_a_run_of_a_drop_is_of_the_drops_file() -> None:
    (drop,) = resolve(["harbour-lights-1a2b"], lab="lab-1a2b")
    assert (drop.lab, Path(drop.drop_file).name) == ("lab-1a2b", "harbour-lights.yaml")


def test_one_that_stands_keeps_its_lab_and_its_form() -> None:
    made = resolve(["harbour-lights"], lab="lab-x", split=True)
    assert [stack.name for stack in made] == ["harbour-lights", "harbour-lights.quay", "harbour-lights.mole"]
    assert resolve(["harbour-lights"]) == made


@pytest.mark.parametrize(("lab", "split", "flag"), [("lab-y", None, "--lab"), (None, False, "--split")])
def test_what_cannot_be_changed_is_said(lab: str | None, split: bool | None, flag: str) -> None:
    resolve(["harbour-lights"], lab="lab-x", split=True)
    with pytest.raises(BadUsage, match=flag):
        resolve(["harbour-lights"], lab=lab, split=split)


def test_a_geography_alone_is_brought_up_with_its_drop() -> None:
    resolve(["harbour-lights"], split=True)
    with pytest.raises(BadUsage, match="part of harbour-lights"):
        resolve(["harbour-lights.quay"])


def test_a_name_without_a_file_leaves_nothing_behind(home: Path) -> None:
    with pytest.raises(BadUsage, match="no drop file nothing"):
        resolve(["lab", "nothing"])
    assert [path for path in home.rglob("*") if path.is_file()] == []
