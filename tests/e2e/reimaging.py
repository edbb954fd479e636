"""What the re-image's test, bench and chaos do to a node: look into its box, wipe it, cut its uplink, buy from it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from infra import installer, release, stacks
from infra.ops import status
from infra.ops.claimant import Buyer, send
from infra.plan.model import HubAddresses
from infra.release import Release
from node_image.spec import node_file
from tests.e2e.box import image
from tests.e2e.conftest import stood_up
from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import Standing, docker, sweep

NODE = "quay-appliance1"
WIPE = (
    "docker ps -aq | xargs -r docker rm -f; docker image prune -af; "
    "rm -rf /etc/edgedrop/* /var/lib/edgedrop/* /usr/local/lib/edgedrop"
)


def box(stack: str, *command: str, node: str = NODE) -> str:
    """A command in the node's box."""
    return docker("exec", f"{stack}-{node}", *command)


def told_by(stack: str) -> dict[str, Any]:
    """What the box's installer says."""
    found: dict[str, Any] = json.loads(box(stack, "python3", installer.PLACE, "tell"))
    return found


def with_mint(hub: HubAddresses, lines: str, *more: str) -> Release:
    """A release whose mint, and `more` of its services, are today's with these lines of a Dockerfile."""
    ids = {service: image(service)["id"] for service in node_file().containers}
    made = {service: _built(f"FROM {ids[service]}\n{lines}\n") for service in ("mint", *more)}
    try:
        return release.make(ids | made, hub.registry_push)
    finally:
        docker("rmi", "-f", *made.values(), check=False)


def _built(text: str) -> str:
    build = ["docker", "build", "-q", "--label", "edgedrop.test=reimage", "-"]
    return subprocess.run(build, input=text, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def wipe(stack: str, node: str = NODE) -> None:
    """All that Edgedrop put on the box but its volumes: those hold the journal and the key."""
    box(stack, "sh", "-c", WIPE, node=node)


def address(stack: str, node: str = NODE) -> str:
    """The node's own, past its front."""
    plan, _ = status.places(stacks.load(stack))
    return next(f"http://{one.address}:8080" for one in plan.nodes if one.name == node)


def claim(stack: str, node: str = NODE) -> None:
    """One that the node itself answers with a voucher."""
    plan, _ = status.places(stacks.load(stack))
    with httpx.Client(trust_env=False, timeout=5) as client:
        got = send(client, address(stack, node), "quay", Buyer(plan).wish(0))
    assert got.voucher is not None, got.failures
    assert got.node == node, got.failures


@contextmanager
def without_uplink(shared: Standing, stack: str) -> Iterator[None]:
    """The box reaches no hub; SSH comes by the geography's own network."""
    way = (f"{shared.lab}-hub", f"{stack}-{NODE}")
    docker("network", "disconnect", "-f", *way)
    try:
        yield
    finally:
        docker("network", "connect", *way)


@contextmanager
def a_quay(folder: Path, supply: int, appliances: int = 1) -> Iterator[tuple[Standing, str]]:
    """A lab and a drop of one geography, for a bench or a chaos run; gone afterwards. Its home is in the folder."""
    with contextmanager(stood_up)(folder / "home") as standing:
        stack = f"turn-{standing.run}"
        file = write_small_drop(folder / "drops", "turn", supply)
        text = file.read_text().replace("pier", "quay").replace("appliances: 1", f"appliances: {appliances}")
        file.write_text(text)
        try:
            standing.edgedrop("up", stack, "--lab", standing.lab, "--file", str(file), "--yes")
            yield standing, stack
        finally:
            standing.edgedrop("down", stack, "--yes", check=False)
            sweep(stack)
