"""Which spares' engines are dead, found before Pulumi is: its docker provider fails the whole stack on one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from infra.ops import pulumi_cli
from infra.provision.ssh import Host

PROVIDER = "pulumi:providers:docker"


def dead_spares(stack: str) -> list[str]:
    """Names of the spares in the state of a stack that is there, whose sshd or engine does not answer now."""
    hosts = spares_in(stack, pulumi_cli.export(stack))
    with ThreadPoolExecutor(max_workers=16) as pool:
        answers = list(pool.map(_answers, hosts))
    return [host.node for host, alive in zip(hosts, answers, strict=True) if not alive]


def spares_in(stack: str, state: dict[str, Any]) -> list[Host]:
    """The spares, from the providers that the state holds."""
    resources = (state.get("deployment") or {}).get("resources") or []
    found = {
        resource["urn"].rsplit("::", 1)[-1]: str(resource.get("inputs", {}).get("host", ""))
        for resource in resources
        if resource["type"] == PROVIDER
    }
    return [Host(stack, name, host) for name, host in found.items() if host.startswith("ssh://")]


def exclusions(dead: list[str]) -> list[str]:
    """Pulumi's flags that leave a spare and all in it alone."""
    return [word for pattern in patterns(dead) for word in ("--exclude", pattern)]


def patterns(dead: list[str]) -> list[str]:
    """Of the URNs of a spare and all in it: every resource of a spare carries its name."""
    return [pattern for name in dead for pattern in (f"**::{name}", f"**::{name}-*")]


def _answers(host: Host) -> bool:
    """Sshd first: a box that is off is known at once, and one whose engine hangs after ten seconds."""
    return host.answers() and host.run("docker version --format ok", seconds=10).returncode == 0
