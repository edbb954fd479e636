"""Ansible turns a bare box into a mint node over SSH; a second run changes nothing; what it made sells."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shlex
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import nats
import pytest

from infra import installer
from infra.errors import Unreachable
from infra.home import ROOT
from infra.plan.model import HubAddresses
from infra.provision import commands
from infra.provision.commands import Wire
from node_image.bus.config import HUB_USER, leaf_config
from node_image.cooling import AGENT_PORT, STATUS_PORT
from node_image.protocol import dsse, voucher
from node_image.protocol.command import Drain, Logs, Reboot, Restart, Status, Undrain
from node_image.recovery.place import Facts
from node_image.spec import node_file, render
from tests.drop_on_disk import Drop, make_drop
from tests.e2e.box import Box, image, start_box
from tests.e2e.standing import Standing, docker, wait_for
from tests.sensor_tree import COOL, DIE, DIE_NAME, INPUTS, LIMIT, MODE, PWM, make_tree

pytestmark = pytest.mark.e2e

SERVICES = tuple(node_file().containers)
SENSORS = "/var/lib/sensors"  # in the box, whose kernel shows none
STACK = "lights"  # of the drop that the box is told of
WATCHDOG_S = 6


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
    (files / installer.NAME).write_bytes(installer.installer())
    secret = (standing.home / "keys" / "bus.secret").read_text()
    (files / "nats.conf").write_text(leaf_config(hub.bus, secret))
    (files / "bus.secret").write_text(secret)
    keys = {"responder": dsse.public_pem((standing.home / "keys" / "responder.pem").read_bytes()).decode()}
    (files / "recovery.json").write_bytes(msgspec.json.encode(Facts(1, STACK, "box1", hub.bus, SERVICES, keys)))
    images = {name: push(hub, name) for name in SERVICES}
    containers = [msgspec.to_builtins(one) | {"binds": one.binds} for one in render(images, "appliance")]
    cooling = next(one for one in containers if one["service"] == "cooling")
    cooling["binds"] = [bind.replace("/sys/", f"{SENSORS}/", 1) for bind in cooling["binds"]]
    cooling["env"] = {"EDGEDROP_DWELL_S": "1"}
    make_tree(folder / "sys" / "class")
    docker("cp", str(folder / "sys"), f"{box.container}:{SENSORS}")
    told = {
        "ansible_host": box.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(box.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={box.known_hosts} -o StrictHostKeyChecking=yes",
        "edgedrop_containers": containers,
        "edgedrop_files": str(files),
        "edgedrop_registry": hub.registry,
        "recovery_watchdog_s": WATCHDOG_S,
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


def test_fans_are_the_services_users_to_drive_and_nothing_else_below_sys_is(node: Node) -> None:
    """By the unit that the role put there; the tree stands over /sys for as long."""
    node.box.run("sh", "-ec", "for d in class devices; do mount --bind " + SENSORS + "/$d /sys/$d; done")
    try:
        node.box.run("systemctl", "start", "edgedrop-fans.service")
    finally:
        node.box.run("umount", "/sys/class", "/sys/devices")
    owned = node.box.run("find", SENSORS, "-type", "f", "-group", "10001", "-perm", "0664", "-printf", "%f ")
    assert sorted(owned.split()) == [Path(name).name for name in (PWM, MODE)]


class Heat:
    """A shell in the box that writes all temperatures of the tree, trembling, from the one that it is told."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._write(COOL)
        files = " ".join(f"{SENSORS}/class/{name}" for name in INPUTS)
        loop = f"while read t </tmp/heat; do for f in {files}; do echo $((t + RANDOM % 100)) >$f; done; sleep 0.3; done"
        docker("exec", "-d", box.container, "bash", "-c", loop)

    def at(self, millidegrees: int) -> None:
        """From now on, and the agent saw it: a change of forty degrees between two looks is a lie to it."""
        self._write(millidegrees)
        wait_for(lambda: all(0 <= one * 1000 - millidegrees < 100 for one in self._told()), 10, "the temperature")

    def _write(self, millidegrees: int) -> None:
        self._box.run("sh", "-c", f"echo {millidegrees} >/tmp/heat.new; mv /tmp/heat.new /tmp/heat")

    def _told(self) -> list[float]:
        status = httpx.get(f"http://{self._box.address}:{STATUS_PORT}/v1/status", timeout=5).json()
        return [one["celsius"] for one in status["sensors"]]

    def weight(self) -> str:
        """What a front is told."""
        with socket.create_connection((self._box.address, AGENT_PORT), 5) as line:
            return line.makefile().readline().strip()

    def end(self) -> None:
        """The shell ends with its file."""
        self._box.run("rm", "/tmp/heat")


def test_heat_leads_to_weight_down_drain_stop_and_return(node: Node) -> None:
    heat, base = Heat(node.box), f"http://{node.box.address}:8080"
    try:
        wait_for(lambda: heat.weight() == "100%", 20, "a cool box")
        heat.at(LIMIT - 30_000)
        heat.at(LIMIT - 14_000)
        wait_for(lambda: heat.weight() == "50%", 10, "half the weight")
        wait_for(lambda: node.box.run("cat", f"{SENSORS}/class/{PWM}") == "255", 3, "the fans at full speed")
        heat.at(LIMIT - 7_000)
        wait_for(lambda: heat.weight() == "0%", 10, "drained")
        assert httpx.get(f"{base}/readyz", timeout=5).is_success, "what was sent is answered"
        heat.at(LIMIT - 2_000)
        wait_for(lambda: httpx.get(f"{base}/readyz", timeout=5).status_code == 503, 10, "stopped")
        refused = httpx.post(f"{base}/v1/claims", json={}, timeout=5)
        assert (refused.json()["error"]["code"], refused.headers["Retry-After"]) == ("too_hot", "10")
        heat.at(LIMIT - 30_000)
        wait_for(lambda: heat.weight() == "50%", 20, "half of it again")
        heat.at(COOL)
        wait_for(lambda: heat.weight() == "100%", 20, "its whole weight")
        wait_for(lambda: httpx.get(f"{base}/readyz", timeout=5).is_success, 5, "the mint")
    finally:
        heat.end()


def test_a_sensor_that_is_gone_for_good_is_forgotten_as_the_runbook_says(node: Node) -> None:
    """Each `docker` line of docs/runbooks/too-hot.md, typed on the node."""
    page = (ROOT / "docs" / "runbooks" / "too-hot.md").read_text()
    look, *forget = [line.split() for line in page.splitlines() if line.startswith("docker ")]

    def told() -> str:
        return docker("exec", node.box.container, *look, check=False)

    node.box.run("rm", f"{SENSORS}/class/{DIE}")
    wait_for(lambda: f"{DIE_NAME} is vanished" in told(), 10, "the vanished sensor")
    for line in forget:
        node.box.run(*line)
    wait_for(lambda: '"rung"' in told(), 20, "the agent")
    assert DIE_NAME not in told()


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


@pytest.fixture
def wire(standing: Standing, hub: HubAddresses, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """To the box's agent, as the responder's machine has it."""
    monkeypatch.setenv("EDGEDROP_HOME", str(standing.home))
    return Wire(f"{hub.bus}:4222", STACK, "box1")


def shown(node: Node, unit: str, what: str) -> str:
    """What the box's systemd says of a unit."""
    return node.box.run("systemctl", "show", "--property", what, "--value", unit)


def test_a_signed_command_is_done_once(node: Node, wire: Wire) -> None:
    def started() -> str:
        return node.box.run("docker", "inspect", "-f", "{{.State.StartedAt}}", "edgedrop-mint")

    before = started()
    told = commands.tell(wire, Restart("mint"))
    assert told.newest
    assert (told.refused, told.newest.state, told.newest.by) == (None, "done", "responder")
    after = started()
    assert after != before
    node.box.run("systemctl", "restart", "edgedrop-recovery.service")  # it looks for what was left, and finds this one
    log = ("journalctl", "--no-pager", "--output", "cat", "--unit", "edgedrop-door@*")
    wait_for(lambda: '"code": "replayed"' in node.box.run(*log), 20, "the replay's refusal")
    assert started() == after
    status = commands.tell(wire, Status())
    assert status.outcome
    assert status.outcome.status["containers"]["edgedrop-mint"] == "running"
    logs = commands.tell(wire, Logs(20))
    assert logs.outcome
    with tarfile.open(fileobj=io.BytesIO(logs.outcome.bundle)) as archive:
        assert archive.getmember("box1/signer.log").size > 0


def test_the_agent_has_no_rights_and_the_door_no_network(node: Node) -> None:
    assert shown(node, "edgedrop-recovery.service", "User") == "edgedrop-recovery"
    assert shown(node, "edgedrop-recovery.service", "CapabilityBoundingSet") == ""
    refused = ("runuser", "-u", "nobody", "--", "python3", "-c", KNOCK)
    assert "PermissionError" in node.box.run("sh", "-c", f"{shlex.join(refused)} 2>&1 || true")
    assert node.box.run("systemctl", "is-system-running") == "running"


KNOCK = "import socket; socket.socket(socket.AF_UNIX).connect('/run/edgedrop-door.sock')"


def test_past_a_dead_leaf_and_with_a_dead_engine_it_still_answers(node: Node, wire: Wire) -> None:
    node.box.run("docker", "stop", "--time", "1", "edgedrop-bus")
    node.box.run("systemctl", "stop", "docker.socket", "docker.service")
    commands.ask(wire, 30)
    seen = commands.tell(wire, Status())
    assert seen.outcome
    assert not seen.outcome.status["engine"]
    for service in ("engine", "bus"):
        told = commands.tell(wire, Restart(service))
        assert told.newest
        assert told.newest.state == "done", told
    assert running(node) == {f"edgedrop-{one}" for one in SERVICES}


# What an engine leaves that is killed just when it has started a container, and has not written that down yet.
FORGET = """\
systemctl reset-failed docker.service docker.socket  # three starts a minute, and the test before had one
image=$(docker inspect -f '{{.Image}}' edgedrop-cooling)
id=$(docker run -d --name lost --entrypoint sleep $image 900)
docker inspect -f '{{.State.Pid}}' lost
kill -STOP $(systemctl show -p MainPID --value docker.service)
sed -i 's/"Running":true/"Running":false/; s/"Pid":[0-9]*/"Pid":0/' /var/lib/docker/containers/$id/config.v2.json
systemctl kill -s KILL docker.service"""


def test_what_a_killed_engine_forgot_is_ended_and_all_else_runs_on(node: Node) -> None:
    """Else the next start puts a second one beside it, on the same journal."""
    before = pids(node)
    lost = node.box.run("sh", "-ec", FORGET)
    ask = ("sh", "-c", f"test -d /proc/{lost} && echo runs || true")
    assert node.box.run(*ask) == "runs", "the engine's end is none of its containers'"
    wait_for(lambda: node.box.run(*ask) == "", 30, "its end")
    assert pids(node) == before
    node.box.run("docker", "rm", "-f", "lost")


def pids(node: Node) -> dict[str, str]:
    """Of each service's container, once the engine answers."""
    each = ("docker", "inspect", "-f", "{{.Name}} {{.State.Pid}}", *(f"edgedrop-{one}" for one in SERVICES))
    found: dict[str, str] = {}

    def told() -> bool:
        found.update(
            line.partition(" ")[::2] for line in docker("exec", node.box.container, *each, check=False).splitlines()
        )
        return len(found) == len(SERVICES)

    wait_for(told, 30, "the engine")
    return found


def test_without_a_hub_it_lives_and_a_hung_one_is_started_anew(
    standing: Standing, hub: HubAddresses, node: Node, wire: Wire
) -> None:
    first = shown(node, "edgedrop-recovery.service", "MainPID")
    docker("network", "disconnect", f"{standing.lab}-hub", f"{standing.lab}-bus")
    try:
        with pytest.raises(Unreachable):
            commands.ask(wire, 2 * WATCHDOG_S)
        assert shown(node, "edgedrop-recovery.service", "MainPID") == first, "a dead bus is no reason to die"
    finally:
        docker("network", "connect", "--ip", hub.bus, f"{standing.lab}-hub", f"{standing.lab}-bus")
    commands.ask(wire, 30)
    node.box.run("kill", "-STOP", first)
    wait_for(lambda: shown(node, "edgedrop-recovery.service", "MainPID") not in {first, "0"}, 30, "another agent")
    commands.ask(wire, 30)


def test_one_look_of_the_watch_finds_nothing_to_do(node: Node) -> None:
    node.box.run("systemctl", "start", "edgedrop-watch.service")
    assert shown(node, "edgedrop-watch.service", "Result") == "success"
    seen = json.loads(node.box.run("cat", "/run/edgedrop-watch/seen.json"))
    assert (seen["ill_since"], seen["steps"]) == ({}, [])


def test_a_reboot_is_done_once_and_told_after_it_and_lifts_no_drain(node: Node, wire: Wire) -> None:
    commands.tell(wire, Drain("a new disk"))
    told = commands.tell(wire, Reboot())
    assert told.newest
    wait_for(lambda: docker("inspect", "-f", "{{.State.Running}}", node.box.container) == "false", 40, "its end")
    docker("start", node.box.container)
    now = commands.ask(wire, 60)
    assert now.acted
    assert (now.acted.sequence, now.acted.state, now.boot != told.boot) == (told.newest.sequence, "done", True)
    ready = f"http://{node.box.address}:8080/readyz"
    wait_for(lambda: says(ready) == "drained by the responder: a new disk", 30, "the mint, drained")
    commands.tell(wire, Undrain())
    assert says(ready) != "drained by the responder: a new disk"


def says(ready: str) -> str:
    """Why it is not ready; its silence is none."""
    try:
        return str(httpx.get(ready, timeout=5).json()["reason"])
    except httpx.HTTPError:
        return ""


def test_an_unknown_host_key_is_refused(node: Node) -> None:
    node.box.known_hosts.write_text(
        node.box.known_hosts.read_text().replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAJ")
    )
    with pytest.raises(AssertionError, match="UNREACHABLE"):
        node.play("appliance.yml")
