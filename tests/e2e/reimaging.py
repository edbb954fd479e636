"""What the re-image's test does to a node: look into its box, wipe it, cut its uplink, buy from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from infra import stacks
from infra.ops import status
from infra.ops.claimant import Buyer, send
from tests.e2e.standing import Standing, docker

NODE = "quay-appliance1"
WIPE = (
    "docker ps -aq | xargs -r docker rm -f; docker image prune -af; "
    "rm -rf /etc/edgedrop/* /var/lib/edgedrop/* /usr/local/lib/edgedrop"
)


def box(stack: str, *command: str) -> str:
    """A command in the node's box."""
    return docker("exec", f"{stack}-{NODE}", *command)


def wipe(stack: str) -> None:
    """All that Edgedrop put on the box but its volumes: those hold the journal and the key."""
    box(stack, "sh", "-c", WIPE)


def address(stack: str) -> str:
    """The node's own, past its front."""
    plan, _ = status.places(stacks.load(stack))
    return next(f"http://{node.address}:8080" for node in plan.nodes if node.name == NODE)


def claim(stack: str) -> None:
    """One that the node itself answers with a voucher."""
    plan, _ = status.places(stacks.load(stack))
    with httpx.Client(trust_env=False, timeout=5) as client:
        got = send(client, address(stack), "quay", Buyer(plan).wish(0))
    assert got.node == NODE, got.failures


@contextmanager
def without_uplink(shared: Standing, stack: str) -> Iterator[None]:
    """The box reaches no hub; SSH comes by the geography's own network."""
    way = (f"{shared.lab}-hub", f"{stack}-{NODE}")
    docker("network", "disconnect", "-f", *way)
    try:
        yield
    finally:
        docker("network", "connect", *way)
