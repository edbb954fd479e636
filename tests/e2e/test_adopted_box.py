"""Real boxes (`target: ssh`): adopted by the host key that the site file says, sold on, left with journal and key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from infra import stacks
from infra.ops import status
from infra.ops.claimant import Buyer, send
from infra.ops.served import in_service
from infra.plan.model import HubAddresses
from tests.e2e.box import Box, start_box
from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import Standing, changes, docker, sweep, wait_for

pytestmark = pytest.mark.e2e

KEPT = {"edgedrop-journal", "edgedrop-tokens"}
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAE32lW/jREtf/8GCwR9JeNW0NUitcF614HuR7lOCmb"  # of no box here
SERVICES = {"edgedrop-bus", "edgedrop-cooling", "edgedrop-signer", "edgedrop-mint", "edgedrop-courier"}


@dataclass(frozen=True, slots=True)
class Site:
    """Two boxes of somebody's, and the drop file that names them."""

    boxes: tuple[Box, Box]
    file: Path
    stack: str

    @property
    def site_file(self) -> Path:
        """With the boxes' host keys."""
        return self.file.parent.parent / "sites" / "field.yaml"


@pytest.fixture(scope="module")
def site(shared: Standing, shared_hub: HubAddresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The control side's key was put on them, their host keys were read on site."""
    folder, key = tmp_path_factory.mktemp("site"), shared.edgedrop("key").stdout.strip()
    first, second = (
        start_box(shared.lab, f"field{n}", f"10.{shared_hub.slot}.1.{30 + n}", folder, key) for n in (1, 2)
    )
    file = write_small_drop(
        folder / "drops", "field", 40, "target: ssh, boxes: {pier-appliance1: field/field1, pier-spare1: field/field2}"
    )
    found = Site((first, second), file, f"field-{shared.run}")
    found.site_file.parent.mkdir()
    write_site(found, first.host_key)
    try:
        yield found
    finally:
        sweep(found.stack)


def write_site(site: Site, first_key: str) -> None:
    """inventory/sites/field.yaml."""
    keys = (first_key, site.boxes[1].host_key)
    lines = (
        f"  - {{name: field{at}, address: {box.address}, ssh_port: 22, ssh_user: root, host_key: {key}}}\n"
        for at, (box, key) in enumerate(zip(site.boxes, keys, strict=True), start=1)
    )
    site.site_file.write_text(f"name: field\nboxes:\n{''.join(lines)}")


def up(shared: Standing, site: Site, *, check: bool = True) -> str:
    """What an `edgedrop up` of the drop said."""
    words = ("up", site.stack, "--lab", shared.lab, "--file", str(site.file), "--yes")
    return shared.edgedrop(*words, check=check).stderr


def test_the_boxes_are_measured_before_anything_is_put_on_them(shared: Standing, site: Site) -> None:
    """How fast they are depends on who else is busy here: of that it is asked that it was measured."""
    before = [box.run("ls", "-A", "/root", "/tmp", "/var/lib/docker") for box in site.boxes]
    mine = {"old-quay": str(site.site_file), "rack1-1": "field1", "--lab lab": f"--lab {shared.lab}"}
    key, whole, one = shared.runbook("new-site", others=mine, check=False)
    assert key.stdout.startswith("ssh-ed25519 ")
    assert "field/field1 at " in whole.stdout
    assert "field/field2 at " in whole.stdout
    assert "Traceback" not in whole.stderr + one.stderr
    told = json.loads(one.stdout)
    found = {finding["name"]: finding for finding in told["boxes"][0]["findings"]}
    states = {name: finding["state"] for name, finding in found.items()}
    assert (whole.returncode, one.returncode) == (7, 7 if "fail" in states.values() else 0), (
        "nobody is to be called there"
    )
    sure = ("operating system", "processor", "memory", "file system", "fans", "keystore", "engine", "kernel", "hub MTU")
    assert {name: found[name]["found"] for name in sure if states[name] != "pass"} == {}
    assert re.fullmatch(r"p50 \d+\.\d\d, p99 \d+\.\d\d ms \(\d+ appends of 4 KiB\)", found["disk sync"]["found"])
    assert re.match(r"p50 \d+\.\d, p99 \d+\.\d ms to 10\.", found["hub latency"]["found"])
    assert [name for name, finding in found.items() if finding["found"].startswith("not measured")] == []
    assert [box.run("ls", "-A", "/root", "/tmp", "/var/lib/docker") for box in site.boxes] == before


def test_a_box_with_another_host_key_is_not_touched(shared: Standing, site: Site) -> None:
    write_site(site, OTHER_KEY)
    try:
        checked = shared.edgedrop("site", "check", str(site.site_file), check=False)
        assert (checked.returncode, "field1 at " in checked.stderr) == (6, True), checked.stderr
        told = up(shared, site, check=False)
        assert re.search(r"pier-appliance1 at \S+ shows another host key than the one we were told", told), told
    finally:
        write_site(site, site.boxes[0].host_key)
    assert site.boxes[0].run("docker", "ps", "-aq") == ""


def test_adopted_boxes_sell(shared: Standing, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "can the front reach it?" in up(shared, site)
    assert changes(shared.pulumi("preview", stack=site.stack).stdout) == ""
    told = json.loads(shared.edgedrop("status", site.stack, "--json").stdout)
    assert (told["agree"], told["geographies"][0]["ready"]) == (True, 2)
    docker("network", "connect", f"{shared.lab}-hub", f"{site.stack}-pier-front")  # the site's way to its boxes
    monkeypatch.setenv("EDGEDROP_HOME", str(shared.home))
    plan, _ = status.places(stacks.load(site.stack))
    front = plan.geographies[0].front_address
    with httpx.Client(trust_env=False) as client:
        wait_for(lambda: len(in_service(client, plan.geographies[0])) == 2, 20, "both nodes at the front")
        got = send(client, f"http://{front}:8080", "pier", Buyer(plan).wish(0))
    assert got.node == "pier-appliance1", got.failures


def test_down_takes_the_containers_off_and_leaves_journal_and_key(shared: Standing, site: Site) -> None:
    assert {
        name for box in site.boxes for name in box.run("docker", "ps", "--format", "{{.Names}}").split()
    } == SERVICES
    shared.edgedrop("down", site.stack, "--yes")
    for box in site.boxes:
        assert box.run("docker", "ps", "-aq") == ""
        assert set(box.run("docker", "volume", "ls", "-q").split()) >= KEPT
