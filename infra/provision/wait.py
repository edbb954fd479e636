"""Waits, with a bound, until a box or a node answers; each says what it last heard."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import httpx

from infra.errors import NotVerified, Unreachable
from infra.provision.ssh import Host

BOOT_S = 90
READY_S = 60
POLL_S = 0.25
OTHER_KEY = "Host key verification failed"
NO_WAY_IN = "on a box of your own: put what `edgedrop key` prints into authorized_keys"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


def made_host_key(container: str) -> str:
    """The host key of a box that we made, asked by Docker and not of the network; `<type> <base64>`."""

    def look() -> tuple[str, str]:
        done = _docker("exec", container, "cat", HOST_KEY)
        words = done.stdout.split()
        return (" ".join(words[:2]), "") if done.returncode == 0 and len(words) > 1 else ("", done.stderr.strip())

    return until(look, BOOT_S, f"{container} made no host key")


def await_login(host: Host) -> None:
    """Until sshd lets us in; a host key that is not the pinned one ends the wait at once."""

    def look() -> tuple[str, str]:
        done = host.run("echo in")
        words = done.stderr.decode(errors="replace").strip()
        if OTHER_KEY in words:
            raise NotVerified(
                f"{host.node} at {host.address} shows another host key than the one we were told",
                "read its key on site (inventory/sites/old-quay.yaml says how); if it is right, somebody is in between",
            )
        return ("in", "") if done.returncode == 0 else ("", words)

    until(look, BOOT_S, f"{host.node} lets nobody in over SSH", hint=NO_WAY_IN)


def await_engine(host: Host) -> None:
    """Until its Docker engine answers."""

    def look() -> tuple[str, str]:
        done = host.run("docker version --format '{{.Server.Version}}'")
        return (done.stdout.decode().strip(), "") if done.returncode == 0 else ("", done.stderr.decode().strip())

    until(look, BOOT_S, f"{host.node} has no engine that answers over SSH")


def signer_key(host: Host, grant_id: str) -> str:
    """The address of the key in the node's HSM for this grant, once its signer runs."""

    def look() -> tuple[str, str]:
        told, why = _signer(host, "address", grant_id)
        return str(told.get("key", "")), why

    return until(look, READY_S, f"{host.node}'s signer told no key")


def told_key(host: Host, grant_id: str) -> str:
    """The same without waiting; empty where its signer was told of no such grant, or is away."""
    return str(_signer(host, "address", grant_id)[0].get("key", ""))


def await_lease(host: Host, grant_id: str) -> None:
    """Until the node's signer of this grant holds its leases."""

    def look() -> tuple[str, str]:
        told, why = _signer(host, "status", grant_id)
        return ("it holds them" if told.get("leases") else "", why or str(told.get("reason")))

    until(look, READY_S, f"{host.node}'s signer holds no lease of grant {grant_id}")


def await_ready(host: Host) -> None:
    """Until the mint says that it holds a lease and can sign."""

    def look() -> tuple[str, str]:
        try:
            answer = httpx.get(f"http://{_bracketed(host.address)}:8080/readyz", timeout=2, trust_env=False)
        except httpx.HTTPError as fault:
            return "", repr(fault)
        return ("ready", "") if answer.is_success else ("", answer.text)

    until(look, READY_S, f"{host.node} is not ready to sell")


def _signer(host: Host, what: str, grant_id: str) -> tuple[dict[str, Any], str]:
    """The node's signer's own command line; why it told nothing."""
    done = host.run(f"docker exec edgedrop-signer python3 -m node_image.signer {what} {grant_id}")
    if done.returncode != 0:
        return {}, done.stderr.decode(errors="replace").strip()
    told = json.loads(done.stdout)
    return (told, "") if told["grant_id"] == grant_id else ({}, f"its grant is {told['grant_id']}, not {grant_id}")


def until(look: Callable[[], tuple[str, str]], seconds: float, what: str, hint: str = "type: edgedrop status") -> str:
    """Ask until there is an answer; the second of the pair is why there is none. Unreachable with its last word."""
    deadline = time.monotonic() + seconds
    while True:
        found, why = look()
        if found:
            return found
        if time.monotonic() > deadline:
            said = why.splitlines()[-1] if why else "nothing"
            raise Unreachable(f"{what} after {seconds:.0f} s; it said: {said[:300]}", hint)
        time.sleep(POLL_S)  # the pace of asking


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=10, check=False)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
