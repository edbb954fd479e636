"""How a fleet stands before it is rolled over: by what its boxes remember, and who of it is left standing aside."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import diversions
from infra.diversions import Diversion
from infra.ops import fronts
from infra.ops.reimaging import looking
from infra.ops.reimaging.looking import Looked, look
from infra.provision.slots import STATE
from node_image.front.runtime import Served
from tests.unit.ops.reimaging.a_fleet import DROP, MOLE, QUAY, fleet

SHIM = f"""#!/bin/sh
for last; do :; done
case "$last" in
python3*) exec cat "$BOX/said.json" ;;
"cat {STATE}") exec cat "$BOX/state.json" ;;
esac
"""
NOW: dict[str, Any] = {"files": {}, "containers": {}, "units": {}}

Seen = Callable[..., Looked]


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nodes that their front was told to send claims to again."""
    found: list[str] = []
    monkeypatch.setattr(fronts, "give_back", lambda _drop, _geo, node: found.append(node))
    return found


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_back: list[str]) -> Seen:
    """How quay's appliance looks with a box that says so."""
    assert given_back == []
    (tmp_path / "ssh").write_text(SHIM)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("BOX", str(tmp_path))
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    job = fleet(tmp_path)[QUAY]

    def run(
        told: dict[str, str] | None = None, *, phase: str = "", bad: bool = False, sells: bool = True, **now: Any
    ) -> Looked:
        wanted = job.cargo.document.told
        remembered = {"told": wanted | (told or {}), "files": {}, "containers": {}}
        (tmp_path / "said.json").write_text(json.dumps({"remembered": remembered, "now": NOW | now}))
        state = {"phase": phase, "current": "a", "slot": "b", "release": job.release, "tries": 1, "before": None}
        state |= {"bad": [job.release] if bad else [], "why": "not ready" if bad else ""}
        (tmp_path / "state.json").write_text(json.dumps(state) if phase else "")
        monkeypatch.setattr(looking, "ready", lambda _client, _geo: {QUAY} if sells else set())
        monkeypatch.setattr(looking, "at_front", lambda _client, _geo: {QUAY: Served(state="DRAIN")})
        return look([job])[QUAY]

    return run


def test_what_is_as_wanted_and_sells_is_well(seen: Seen) -> None:
    assert seen().well
    assert seen(phase="committed").well
    assert not seen(sells=False).well
    assert not seen({"settings": "others"}).well
    assert not seen(units={"docker.service": False}).well
    assert seen({"release": "old"}) == Looked(release="old")


def test_one_that_is_at_it_by_itself_is_begun_and_one_that_took_it_back_says_why(seen: Seen) -> None:
    assert seen({"release": "old"}, phase="trying").begun
    assert not seen(phase="committing").well
    assert "not ready" in seen({"release": "old"}, phase="rolled back", bad=True).bad
    assert not seen({"release": "old"}, phase="trying", bad=True).bad


def test_a_box_that_says_nothing_is_told_as_unknown(seen: Seen, tmp_path: Path) -> None:
    assert seen().well
    (tmp_path / "ssh").write_text("#!/bin/sh\nexit 255\n")
    assert look([fleet(tmp_path)[MOLE]]) == {MOLE: Looked()}


def test_one_that_a_killed_run_left_aside_takes_claims_again_unless_a_person_says_otherwise(
    seen: Seen, given_back: list[str]
) -> None:
    assert not seen({"release": "old"}).well
    assert given_back == []
    assert seen().well
    assert given_back == [QUAY]
    diversions.change(DROP, {QUAY: Diversion("drain", "drain", "ops@desk", "", "2026-11-26T00:00:00")})
    assert seen().well
    assert given_back == [QUAY]
