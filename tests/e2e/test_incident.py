"""An incident on a whole drop: the responder's page, typed as it stands, and what the chain says after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import Standing, sweep

pytestmark = pytest.mark.e2e


def test_the_page_for_a_suspected_key_freezes_and_revokes(shared: Standing, tmp_path: Path) -> None:
    stack = f"lights-{shared.run}"
    file = write_small_drop(tmp_path, "lights", 20)
    file.write_text(file.read_text().replace("pier", "quay"))  # the page's geography
    try:
        shared.edgedrop("up", stack, "--lab", shared.lab, "--file", str(file), "--yes")
        close = shared.edgedrop("closeout", "quay-spare1", "--drop", stack, "--yes", "--json")
        closed = json.loads(close.stdout)
        assert (closed["now"]["status"], {one["quota"] for one in closed["now"]["leases"]}) == ("closed", {0})
        assert "done already" in shared.edgedrop("closeout", "quay-spare1", "--drop", stack, "--yes").stderr
        froze, revoked = shared.runbook("key-suspected", stack)
        assert "the chain says: frozen" in froze.stderr
        assert "the chain says: revoked for good" in revoked.stderr
        shared.runbook("node-lost", stack)
        again = shared.edgedrop("revoke", "quay-appliance1", "--drop", stack, "--json")
        told = json.loads(again.stdout)
        assert (told["already"], told["before"]["issued"], told["now"]["status"]) == (True, 0, "revoked")
        assert not told["unseen"]
    finally:
        shared.edgedrop("down", stack, "--yes", check=False)
        sweep(stack)
