"""What a node remembers: what a play has just put right and nothing else, so that no edit is taken for its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from playbooks.roles.record.files import remember

SCOPE: dict[str, Any] = {"services": ["bus"], "ground": False, "told": {"release": "r1"}}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node whose engine runs a bus and a mint; its files lie below tmp_path."""
    etc = tmp_path / "etc"
    for service in ("bus", "mint"):
        (etc / service).mkdir(parents=True)
        (etc / service / "env").write_text(service)
    monkeypatch.setattr(remember, "FOLDER", etc)
    monkeypatch.setattr(remember, "ENGINE", tmp_path / "daemon.json")
    monkeypatch.setattr(remember, "RECOVERY", etc / "recovery")
    monkeypatch.setattr(remember, "UNIT_FILES", tmp_path / "systemd")
    for path in (etc / "recovery" / "recovery.json", tmp_path / "systemd" / "edgedrop-recovery.service"):
        path.parent.mkdir()
        path.write_text("{}")
    (tmp_path / "systemd" / "ssh.service").write_text("not ours")
    (tmp_path / "daemon.json").write_text("{}")
    found = {service: {"settings": service, "running": True} for service in ("bus", "mint")}
    monkeypatch.setattr(remember, "containers", lambda: found)
    monkeypatch.setattr(remember, "units", lambda: {"docker.service": True})
    return tmp_path


def test_only_the_services_of_its_scope_are_taken_over(node: Path) -> None:
    assert remember.remember(node / "applied.json", SCOPE)
    kept = json.loads((node / "applied.json").read_text())
    assert list(kept["files"]) == [str(node / "etc" / "bus" / "env")]
    assert list(kept["containers"]) == ["bus"]
    assert kept["told"] == {"release": "r1"}


def test_what_another_scope_put_there_stays(node: Path) -> None:
    remember.remember(node / "applied.json", SCOPE)
    remember.remember(node / "applied.json", {"services": ["mint"], "ground": True, "told": {"drop": "d"}})
    kept = json.loads((node / "applied.json").read_text())
    assert set(kept["containers"]) == {"bus", "mint"}
    assert str(node / "daemon.json") in kept["files"]
    assert kept["told"] == {"release": "r1", "drop": "d"}


def test_what_mends_the_box_belongs_to_its_ground(node: Path) -> None:
    remember.remember(node / "applied.json", SCOPE | {"ground": True})
    kept = json.loads((node / "applied.json").read_text())["files"]
    ours = {"etc/bus/env", "etc/recovery/recovery.json", "systemd/edgedrop-recovery.service", "daemon.json"}
    assert set(kept) == {str(node / name) for name in ours}


def test_the_same_again_changes_nothing(node: Path) -> None:
    remember.remember(node / "applied.json", SCOPE)
    assert not remember.remember(node / "applied.json", SCOPE)


def test_an_edit_in_another_scope_is_not_taken_for_its_own(node: Path) -> None:
    remember.remember(node / "applied.json", SCOPE | {"services": ["bus", "mint"]})
    (node / "etc" / "mint" / "env").write_text("edited")
    assert not remember.remember(node / "applied.json", SCOPE)


def test_a_damaged_memory_is_an_empty_one(node: Path) -> None:
    (node / "applied.json").write_text('{"files"')
    assert remember.remembered(node / "applied.json") == {}
    assert remember.remembered(node / "nothing.json") == {}
