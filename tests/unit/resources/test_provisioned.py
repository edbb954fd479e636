"""An appliance's resource: a release that its box took back is not played past the box's gates."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from infra.resources import provisioned
from infra.resources.provisioned import ProvisionedProvider

GOOD, BAD = "a" * 64, "b" * 64
SHIM = '#!/bin/sh\nfor last; do :; done\n[ "$last" = "cat /var/lib/edgedrop/slots/state.json" ] && exec cat "$STATE"\n'


@pytest.fixture
def sshd() -> Iterator[int]:
    """Says that it is one; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.sendall(b"SSH-2.0-test\r\n")
                    connection.close()

        threading.Thread(target=greet, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Releases that were played on a box that took `BAD` back."""
    state = {"phase": "rolled back", "current": "a", "slot": "b", "release": BAD, "tries": 1, "before": None}
    (tmp_path / "state.json").write_text(json.dumps(state | {"bad": [BAD], "why": "mint does not stay up"}))
    (tmp_path / "ssh").write_text(SHIM)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("STATE", str(tmp_path / "state.json"))
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    found: list[str] = []
    monkeypatch.setattr(provisioned, "_play", lambda props: found.append(props["wanted"]["release"]))
    return found


def update(port: int, runs: str, wanted: str, drift: list[str] | None = None) -> dict[str, Any]:
    """What is kept in the state of a node that ran one release and was to run another."""
    told = {"stack": "lights", "node": "quay-appliance1", "ssh": f"ssh://root@127.0.0.1:{port}", "urn": "urn"}
    old = told | {"wanted": {"release": runs} if runs else {}, "drift": drift or [], "reachable": True}
    new = old | {"wanted": {"release": wanted}, "drift": []}
    return ProvisionedProvider().update("", old, new).outs or {}


def test_what_its_box_took_back_is_left_and_still_seen_as_a_change(sshd: int, played: list[str]) -> None:
    kept = update(sshd, GOOD, BAD, ["container mint: stopped"])
    assert played == []
    assert (kept["wanted"], kept["drift"]) == ({"release": GOOD}, ["container mint: stopped"])


@pytest.mark.parametrize(("runs", "wanted"), [(BAD, GOOD), (GOOD, GOOD), (BAD, BAD), ("", GOOD), (GOOD, "c" * 64)])
def test_anything_else_is_played(sshd: int, played: list[str], runs: str, wanted: str) -> None:
    assert update(sshd, runs, wanted)["wanted"] == {"release": wanted}
    assert played == [wanted]


def test_a_box_that_was_never_re_imaged_is_played(sshd: int, played: list[str], tmp_path: Path) -> None:
    (tmp_path / "state.json").unlink()
    update(sshd, GOOD, BAD)
    assert played == [BAD]
