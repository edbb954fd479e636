"""Ansible turns a bare box into a mint node over SSH; a second run changes nothing; what it made sells."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import nats
import pytest

from infra.home import ROOT
from infra.plan.model import HubAddresses
from node_image.bus.config import HUB_USER, leaf_config
from node_image.protocol import voucher
from node_image.spec import node_file, render
from tests.drop_on_disk import Drop, make_drop
from tests.e2e.box import Box, image, start_box
from tests.e2e.standing import Standing, docker, wait_for

pytestmark = pytest.mark.e2e

SERVICES = tuple(node_file().containers)


@dataclass(frozen=True, slots=True)
class Node:
    """A box, the drop it gets, and the inventory that says so."""

    box: Box
    drop: Drop
    inventory: Path

    def play(self, *playbooks: str) -> str:
        """Run playbooks as a person would; what they printed."""
        done = subprocess.run(
            ["ansible-playbook", "-i", self.inventory, *playbooks],
            cwd=ROOT / "playbooks",
            env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def node(standing: Standing, hub: HubAddresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A bare box in the lab's network, images in the lab's registry, the node's files beside."""
    folder = tmp_path_factory.mktemp("box")
    box = start_box(standing.lab, "box1", f"10.{hub.slot}.1.10", folder)
    drop = make_drop(folder / "d", owner=(standing.home / "keys" / "owner.pem").read_bytes())
    files = folder / "files"
    files.mkdir()
    for name in ("drop.json", "content.zip"):
        shutil.copy(drop.folder / "drop" / name, files / name)
    # This drop has no lease at the hub and no witness at its site: nothing reads them.
    for name in ("cloud.pem", "authority.pem", "witness-key.pem", "witness-tls.pem"):
        (files / name).write_text("none\n")
    (files / "nats.conf").write_text(leaf_config(hub.bus, (standing.home / "keys" / "bus.secret").read_text()))
    containers = [
        msgspec.to_builtins(one) | {"binds": one.binds} for one in render({name: push(hub, name) for name in SERVICES})
    ]
    told = {
        "ansible_host": box.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(box.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={box.known_hosts} -o StrictHostKeyChecking=yes",
        "edgedrop_containers": containers,
        "edgedrop_files": str(files),
        "edgedrop_registry": hub.registry,
    }
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"appliances": {"hosts": {"box1": told}}}))
    yield Node(box, drop, inventory)
    docker("rm", "-fv", box.container, check=False)


def push(hub: HubAddresses, name: str) -> str:
    """An image into the lab's registry; its reference by digest, as a box pulls it."""
    there = f"{hub.registry_push}/edgedrop/{name}:test"
    docker("tag", image(name)["id"], there)
    docker("push", "-q", there)
    digests: list[str] = json.loads(docker("image", "inspect", "-f", "{{json .RepoDigests}}", there))
    docker("rmi", there)
    mine = next(digest for digest in digests if digest.startswith(f"{hub.registry_push}/edgedrop/{name}@"))
    return mine.replace(hub.registry_push, hub.registry)


def running(node: Node) -> set[str]:
    """The containers that run on the node."""
    return set(node.box.run("docker", "ps", "--format", "{{.Names}}").split())


def test_a_bare_box_becomes_a_node_that_answers(node: Node) -> None:
    node.play("appliance.yml", "drop.yml")
    assert running(node) == {f"edgedrop-{service}" for service in SERVICES}
    status = f"http://{node.box.address}:8080/v1/status"
    wait_for(lambda: "no lease" in httpx.get(status, timeout=5).json()["reason"], 20, "the mint")


def test_a_second_run_changes_nothing(node: Node) -> None:
    assert "changed=0" in node.play("appliance.yml", "drop.yml").splitlines()[-2]


def test_with_its_lease_it_sells(standing: Standing, hub: HubAddresses, node: Node) -> None:
    base = f"http://{node.box.address}:8080"
    key = httpx.get(f"{base}/v1/status", timeout=5).json()["key"]
    asyncio.run(tell_lease(standing, hub, node.drop, key))
    secret = (standing.home / "keys" / "bus.secret").read_text()
    # The lab's ledger was told of no such grant and refuses; the node asks again until one who saw its journal answers.
    with node.drop.witness.on_the_bus(node.drop.facts.drop, f"nats://{hub.bus}:4222", HUB_USER, secret):
        wait_for(lambda: httpx.get(f"{base}/readyz", timeout=5).is_success, 60, "lease and witness over the bus")
    asked = node.drop.claim("over-http")
    body = {"claim_id": asked.claim_id, "tier": "print", "to": "0x" + asked.to.hex(), "slot": 0}
    answer = httpx.post(f"{base}/v1/claims", json=body | {"signature": "0x" + asked.signature.hex()}, timeout=5)
    assert answer.status_code == 201, answer.text
    voucher.verify(msgspec.convert(answer.json(), voucher.Voucher), key)


async def tell_lease(standing: Standing, hub: HubAddresses, drop: Drop, key: str) -> None:
    """On the hub's bus, as the stack does it once the lease is open."""
    secret = (standing.home / "keys" / "bus.secret").read_text()
    client = await nats.connect(f"nats://{hub.bus}:4222", user=HUB_USER, password=secret)
    await client.jetstream().publish(f"lease.{drop.facts.drop}.{drop.facts.node}", drop.lease(key))
    await client.close()


def test_what_was_changed_by_hand_is_mended_and_nothing_else(node: Node) -> None:
    node.box.run("docker", "rm", "-f", "edgedrop-mint")
    node.box.run("sh", "-c", "echo '# edited' >> /etc/edgedrop/courier/env")
    printed = node.play("drop.yml")
    assert running(node) == {f"edgedrop-{service}" for service in SERVICES}
    changed = [line for line in printed.splitlines() if line.startswith("changed:")]
    assert len(changed) == 2, printed  # the container and the file; what is remembered is as it was


def test_the_signer_has_no_network_and_no_container_more_than_it_needs(node: Node) -> None:
    shown = json.loads(node.box.run("docker", "inspect", *(f"edgedrop-{service}" for service in SERVICES)))
    by_name = {one["Name"].removeprefix("/edgedrop-"): one for one in shown}
    assert by_name["signer"]["HostConfig"]["NetworkMode"] == "none"
    for one in shown:
        assert one["HostConfig"]["CapDrop"] == ["ALL"]
        assert one["HostConfig"]["ReadonlyRootfs"]
        assert one["Config"]["User"] == "10001:10001"


def test_an_unknown_host_key_is_refused(node: Node) -> None:
    node.box.known_hosts.write_text(
        node.box.known_hosts.read_text().replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAJ")
    )
    with pytest.raises(AssertionError, match="UNREACHABLE"):
        node.play("appliance.yml")
