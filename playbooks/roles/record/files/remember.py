"""Writes what Edgedrop put on this node: fingerprints of files and of containers' settings. Runs on the node itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path("/etc/edgedrop")
ENGINE = Path("/etc/docker/daemon.json")
UNITS = ("docker.service",)
FIELDS = ("Image", "Env", "User", "Labels")


def files() -> dict[str, str]:
    """SHA-256 by path."""
    found = sorted(path for path in (*FOLDER.rglob("*"), ENGINE) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def containers() -> dict[str, dict[str, Any]]:
    """By service: a fingerprint of the container's settings, and whether it runs."""
    names = _say("docker", "ps", "-aq", "--filter", "label=edgedrop.service").split()
    shown = json.loads(_say("docker", "inspect", *names)) if names else []
    return {one["Config"]["Labels"]["edgedrop.service"]: _container(one) for one in shown}


def _container(one: dict[str, Any]) -> dict[str, Any]:
    settings = {field: one["Config"][field] for field in FIELDS}
    settings["Binds"] = sorted(one["HostConfig"]["Binds"] or [])
    text = json.dumps(settings, sort_keys=True)
    return {"settings": hashlib.sha256(text.encode()).hexdigest(), "running": one["State"]["Running"]}


def units() -> dict[str, bool]:
    """Whether each unit is active."""
    ask = ["systemctl", "is-active", "--quiet"]
    return {unit: subprocess.run([*ask, unit], check=False).returncode == 0 for unit in UNITS}


def _say(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Remember at the path given; says `changed` where it was otherwise."""
    target = Path(sys.argv[1])
    now = {"files": files(), "containers": containers(), "units": units()}
    text = json.dumps(now, indent=1, sort_keys=True)
    if not target.exists() or target.read_text() != text:
        target.write_text(text)
        sys.stdout.write("changed\n")


if __name__ == "__main__":
    main()
