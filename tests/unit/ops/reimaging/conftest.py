"""A fleet whose boxes and fronts are the test's."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.ops.reimaging import fleet
from tests.unit.ops.reimaging.a_fleet import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Nobody in it is waited for long."""
    made = World()
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(fleet, "_one", made.carry_out)
    monkeypatch.setattr(fleet, "in_service", made.in_service)
    monkeypatch.setattr(fleet, "SEEN_S", 0.2)
    monkeypatch.setattr(fleet, "POLL_S", 0.05)
    return made
