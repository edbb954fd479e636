"""What carries a stack's label and stands in no state: on this machine's engine, and on the engines of its spares."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

from infra.labels import STACK_LABEL
from infra.ops.dead_nodes import spares_in
from infra.provision.ssh import Host

REMOVE_S = 60


def strays(labelled: list[tuple[str, str, str]], deployment: dict[str, Any]) -> list[tuple[str, str]]:
    """What carries the label and is in no state: containers first, then networks and volumes. Pure."""
    ids = {resource.get("id") for resource in deployment.get("resources") or ()}
    order = ("container", "network", "volume")
    loose = [(kind, name) for kind, name, id_ in labelled if id_ not in ids and name not in ids]
    return sorted(loose, key=lambda item: (order.index(item[0]), item[1]))


def labelled(stack: str) -> list[tuple[str, str, str]]:
    """Kind, name and id of all on this machine's engine."""
    label = f"label={STACK_LABEL}={stack}"
    found = [
        ("container", *line)
        for line in _docker_lines("ps", "-a", "--no-trunc", "--filter", label, "--format", "{{.Names}} {{.ID}}")
    ]
    found += [
        ("network", *line)
        for line in _docker_lines("network", "ls", "--no-trunc", "--filter", label, "--format", "{{.Name}} {{.ID}}")
    ]
    found += [
        ("volume", *line)
        for line in _docker_lines("volume", "ls", "--filter", label, "--format", "{{.Name}} {{.Name}}")
    ]
    return found


def inside(stack: str, state: dict[str, Any]) -> Iterator[tuple[Host, str]]:
    """Containers that a killed provider made on a spare. Never volumes: what is taken over is taken over whole."""
    ask = f"docker ps -a --no-trunc --filter label={STACK_LABEL}={stack} --format '{{{{.Names}}}} {{{{.ID}}}}'"
    for host in spares_in(stack, state):
        if host.answers():
            found = [("container", *pair) for pair in _pairs(host.run(ask).stdout.decode())]
            yield from ((host, name) for _, name in strays(found, state["deployment"]))


def _docker_lines(*arguments: str) -> list[tuple[str, str]]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=30, check=True)
    return _pairs(done.stdout)


def _pairs(printed: str) -> list[tuple[str, str]]:
    """Name and id, a line each."""
    return [(words[0], words[1]) for words in map(str.split, printed.splitlines())]


def remove_inside(host: Host, name: str) -> None:
    """A container on a spare."""
    host.run(f"docker rm -f {shlex.quote(name)}", seconds=REMOVE_S)


def remove(kind: str, name: str) -> None:
    """From this machine's engine."""
    arguments = {
        "container": ["rm", "-fv", name],
        "network": ["network", "rm", name],
        "volume": ["volume", "rm", "-f", name],
    }
    subprocess.run(["docker", *arguments[kind]], capture_output=True, timeout=REMOVE_S, check=False)
