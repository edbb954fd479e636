"""The lab on real parts: it stands, stays as it is, is seen when it drifts, is mended, survives a kill, goes away."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid

import httpx
import pytest

from infra.home import ROOT
from tests.e2e.standing import UP_S, Standing, changes, docker, labelled, sweep

pytestmark = pytest.mark.e2e

VOLUMES = {"registry", "bus", "ledger-db", "chain", "cloud-signer", "cloud-signer-tokens"}
SERVICES = {"registry", "bus", "ledger-db", "chain", "ledger", "relayer", "anchorer", "cloud-signer"}


def test_its_services_answer(standing: Standing) -> None:
    outputs = json.loads(standing.pulumi("stack", "output", "--json").stdout)
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    assert httpx.post(f"http://{outputs['chain']}:8545", json=asked, timeout=5).json()["result"] == hex(31337)
    assert httpx.get(f"http://{outputs['registry_push']}/v2/", timeout=5).status_code == 200
    running = docker("ps", "--filter", f"label=edgedrop.stack={standing.lab}", "--format", "{{.Names}}").split()
    assert set(running) == {f"{standing.lab}-{service}" for service in SERVICES}


def test_a_second_up_changes_nothing(standing: Standing) -> None:
    assert changes(standing.pulumi("up", "--yes", "--skip-preview").stdout) == ""


def test_no_secret_stands_in_the_state(standing: Standing) -> None:
    states = [path.read_text() for path in (standing.home / "pulumi").rglob("*.json") if path.is_file()]
    assert states
    for name in ("bus.secret", "db.secret", "operator.key", "relayer.key", "hub.key", "witness.pem"):
        lines = (standing.home / "keys" / name).read_text().split("\n")
        secret = max(lines, key=len)  # of a PEM its body: a state has line ends escaped
        assert not any(secret in state for state in states), name


def test_a_deleted_and_a_stopped_container_are_named_by_preview_and_mended_by_up(standing: Standing) -> None:
    before = docker("inspect", "-f", "{{.Id}}", f"{standing.lab}-ledger-db")
    docker("rm", "-f", f"{standing.lab}-bus")
    docker("stop", f"{standing.lab}-chain")
    preview = standing.pulumi("preview").stdout
    assert re.search(r"\+ .*Container bus create", preview), preview
    assert re.search(r"~ .*Container chain update .*mustRun", preview), preview
    assert "2 changes" in changes(preview)
    standing.pulumi("up", "--yes", "--skip-preview")
    assert changes(standing.pulumi("preview").stdout) == ""
    assert docker("inspect", "-f", "{{.Id}}", f"{standing.lab}-ledger-db") == before, "what was whole was touched"


def test_after_a_sigkill_heal_and_up_converge_and_nothing_is_made_twice(standing: Standing) -> None:
    other = Standing(uuid.uuid4().hex[:6], standing.home)
    try:
        kill_when(other, "hub created")
        other.edgedrop("heal", other.lab, "--yes")
        other.edgedrop("up", other.lab, "--yes")
        assert changes(other.pulumi("preview").stdout) == ""
        assert len(labelled(other.lab)) == len(SERVICES) + 1 + len(VOLUMES)  # containers, the network, volumes
        other.edgedrop("down", other.lab, "--yes")
        assert labelled(other.lab) == []
    finally:
        sweep(other.lab)


def kill_when(standing: Standing, moment: str) -> None:
    """Begin an `up` and SIGKILL it, and the pulumi below it, when its progress says `moment`."""
    command = [sys.executable, "-m", "infra.ops", "up", standing.lab, "--yes"]
    with subprocess.Popen(
        command, cwd=ROOT, env=standing.env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if moment in line:
                break
        else:
            raise AssertionError(f"the up never said {moment!r}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(UP_S)


def test_down_leaves_nothing(standing: Standing) -> None:
    standing.edgedrop("down", standing.lab, "--yes")
    assert labelled(standing.lab) == []
    assert not (standing.home / "stacks" / f"{standing.lab}.json").exists()
    assert standing.edgedrop("down", standing.lab, "--yes", check=False).returncode == 2
