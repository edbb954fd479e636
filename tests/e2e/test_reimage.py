"""Another release on a real box: committed, or back by itself; from a stick, too; and no play finds a change."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from infra import overrides, release
from infra.home import ROOT
from infra.ops import status
from infra.plan.model import HubAddresses
from tests.e2e.reimaging import NODE, address, box, claim, told_by, wipe, with_mint, without_uplink
from tests.e2e.standing import Standing, changes, wait_for

pytestmark = pytest.mark.e2e

STICK = ROOT / "build" / "stick"  # the page's


@pytest.fixture(scope="module", autouse=True)
def _home(shared: Standing) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EDGEDROP_HOME", str(shared.home))
        yield


def mint(stack: str) -> str:
    """The image that its mint runs, by digest."""
    return box(stack, "docker", "inspect", "-f", "{{.Config.Image}}", "edgedrop-mint").partition("/")[2]


def reimage(shared: Standing, stack: str, *words: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        shared.edgedrop("reimage", NODE, "--drop", stack, "--yes", "--json", *words).stdout
    )
    return told


def test_another_release_is_committed_whoever_is_killed(shared: Standing, shared_hub: HubAddresses, quay: str) -> None:
    claim(quay)
    other = with_mint(shared_hub, "LABEL edgedrop.other=1")
    shared.killed_when("trying", "reimage", NODE, "--drop", quay, "--yes", "--release", other.digest[:12])
    box(quay, "pkill", "-9", "-f", "slots.pyz go-on")
    wait_for(lambda: told_by(quay)["state"]["phase"] == "committed", 90, "an end")
    assert mint(quay) == other.images["mint"]
    told = told_by(quay)
    assert told["state"]["before"]["journal"]
    for grant, seq in told["state"]["before"]["journal"].items():
        assert told["health"]["journal"][grant] >= seq > 0
    claim(quay)


def test_up_calls_it_an_override_and_leaves_it_until_its_time_is_over(shared: Standing, quay: str) -> None:
    held = overrides.read(quay, NODE)
    assert held is not None
    words = f"override: release {held.release[:12]} by "
    left = shared.pulumi("up", "--yes", "--skip-preview", stack=quay).stdout
    assert (changes(left), words in left) == ("", True), left
    assert mint(quay) == release.kept(held.release, "").images["mint"]
    assert words in shared.edgedrop("status", quay, check=False).stdout
    overrides.put(quay, NODE, msgspec.structs.replace(held, expires_at=int(time.time())))
    preview = shared.pulumi("preview", stack=quay).stdout
    assert (changes(preview), "override" in preview) == ("~ 1 to update", False), preview


def test_by_the_bus_the_box_pulls_what_it_never_had(shared: Standing, shared_hub: HubAddresses, quay: str) -> None:
    other = with_mint(shared_hub, "LABEL edgedrop.other=2")
    words = ("command", NODE, "reimage", "--release", other.digest[:12], "--drop", quay, "--yes")
    done = shared.edgedrop(*words)
    assert f"done: {NODE} runs release {other.digest[:12]}" in done.stdout, done.stderr
    assert mint(quay) == other.images["mint"]
    assert f"{NODE}, override: release {other.digest[:12]}" in shared.edgedrop("status", quay, check=False).stdout
    claim(quay)


def test_the_page_brings_the_wanted_one_back_and_no_preview_finds_a_change(shared: Standing, quay: str) -> None:
    first, rolled, back, by_bus, _, checked, second = shared.runbook("reimage", quay)
    assert "it sells" in first.stdout
    assert re.search(rf"{NODE} +│ +was done", rolled.stdout), rolled.stdout
    assert re.search(rf"done: {NODE} runs release .* again; override: release", back.stderr), back.stderr
    assert f"done: {NODE} runs release" in by_bus.stdout
    assert "good: release" in checked.stdout
    assert "it sells" in second.stdout
    assert mint(quay) == release.current(shared.lab).images["mint"]
    assert changes(shared.pulumi("preview", stack=quay).stdout) == ""


def test_a_release_that_does_not_run_is_taken_back_by_the_box(
    shared: Standing, shared_hub: HubAddresses, quay: str
) -> None:
    bad, before = with_mint(shared_hub, 'ENTRYPOINT ["false"]'), mint(quay)
    words = ("reimage", NODE, "--drop", quay, "--yes", "--release", bad.digest[:12])
    done = shared.edgedrop(*words, check=False)
    assert (done.returncode, "the old one is back" in done.stderr) == (1, True), done.stderr
    assert mint(quay) == before
    wait_for(lambda: httpx.get(f"{address(quay)}/readyz", timeout=5).is_success, 30, "the old release, ready")
    done = shared.edgedrop(*words, check=False)
    assert (done.returncode, "failed here before" in done.stderr) == (1, True), done.stderr


def test_a_play_after_it_changes_nothing(shared: Standing, quay: str) -> None:
    words = ("ansible-playbook", "-i", "inventory/edgedrop.py", "-l", NODE, "playbooks/drop.yml")
    printed = shared.set_up("env", f"EDGEDROP_STACK={quay}", "ANSIBLE_NOCOLOR=1", *words).stdout
    assert re.search(rf"{NODE} +: ok=\d+ +changed=0 ", printed), printed


def test_a_wiped_node_without_an_uplink_sells_from_a_stick(shared: Standing, quay: str) -> None:
    with without_uplink(shared, quay):
        wipe(quay)
        told = reimage(shared, quay, "--bundle", str(STICK))
        assert told["phase"] == "committed", told
        wait_for(lambda: status.report_of(quay).geographies[0].ready == 2, 30, "a witness at the site")
        claim(quay)
        assert "DNAT" not in box(quay, "iptables", "-t", "nat", "-S", "EDGEDROP-PULL"), "the registry is itself again"
    wait_for(lambda: status.report_of(quay).agree, 60, "journal = ledger = chain")
