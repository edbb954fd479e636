"""Remembers what Edgedrop put on this node, and tells it beside what is there now. Runs on the node itself.

remember.py remember PATH '{"services": ["bus"], "ground": true, "told": {}}'
remember.py tell PATH
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path("/etc/edgedrop")
ENGINE = Path("/etc/docker/daemon.json")
RECOVERY = FOLDER / "recovery"
UNIT_FILES = Path("/etc/systemd/system")
UNITS = ("docker.service", "edgedrop-door.socket", "edgedrop-recovery.service", "edgedrop-watch.timer")
FIELDS = ("Image", "Env", "User", "Labels")
HOST_FIELDS = ("NetworkMode", "ReadonlyRootfs", "CapDrop", "CapAdd", "Memory", "Privileged", "SecurityOpt")


def files() -> dict[str, str]:
    """SHA-256 by path."""
    places = (*FOLDER.rglob("*"), *UNIT_FILES.glob("edgedrop-*"), ENGINE)
    found = sorted(path for path in places if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def containers() -> dict[str, dict[str, Any]]:
    """By service: a fingerprint of the container's settings, and whether it runs."""
    names = _say("docker", "ps", "-aq", "--filter", "label=edgedrop.service").split()
    shown = json.loads(_say("docker", "inspect", *names)) if names else []
    return {one["Config"]["Labels"]["edgedrop.service"]: _container(one) for one in shown}


def _container(one: dict[str, Any]) -> dict[str, Any]:
    settings = {field: one["Config"][field] for field in FIELDS}
    settings |= {field: one["HostConfig"][field] for field in HOST_FIELDS}
    settings["Binds"] = sorted(one["HostConfig"]["Binds"] or [])
    text = json.dumps(settings, sort_keys=True)
    return {"settings": hashlib.sha256(text.encode()).hexdigest(), "running": one["State"]["Running"]}


def units() -> dict[str, bool]:
    """Whether each unit is active."""
    ask = ["systemctl", "is-active", "--quiet"]
    return {unit: subprocess.run([*ask, unit], check=False).returncode == 0 for unit in UNITS}


def _say(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""  # an engine that is down runs nothing


def now() -> dict[str, Any]:
    """All of it."""
    return {"files": files(), "containers": containers(), "units": units()}


def remembered(path: Path) -> dict[str, Any]:
    """What was remembered; empty on a bare box and where the file is damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(path: Path, scope: dict[str, Any]) -> bool:
    """Take over what is there now of these services (and of the ground below all); whether anything was otherwise.

    Only what a play has just put right may be remembered: else it would call somebody's edit its own.
    """
    old, seen = remembered(path), now()
    new = {
        "files": _merged(old, seen, "files", lambda name: _is_of(name, scope)),
        "containers": _merged(old, seen, "containers", lambda name: name in scope["services"]),
        "units": seen["units"],
        "told": old.get("told", {}) | scope["told"],
    }
    if new == old:
        return False
    part = path.with_suffix(".part")
    part.write_text(json.dumps(new, indent=1, sort_keys=True))
    part.replace(path)
    return True


def _merged(old: dict[str, Any], seen: dict[str, Any], kind: str, mine: Any) -> dict[str, Any]:
    kept = {name: what for name, what in old.get(kind, {}).items() if not mine(name)}
    return kept | {name: what for name, what in seen[kind].items() if mine(name)}


def _is_of(path: str, scope: dict[str, Any]) -> bool:
    if path == str(ENGINE) or {RECOVERY, UNIT_FILES} & set(Path(path).parents):
        return bool(scope["ground"])
    return Path(path).relative_to(FOLDER).parts[0] in scope["services"]


def main() -> None:
    """`remember` says `changed` where it was otherwise; `tell` prints both as JSON."""
    what, path = sys.argv[1], Path(sys.argv[2])
    if what == "remember":
        sys.stdout.write("changed\n" if remember(path, json.loads(sys.argv[3])) else "")
    else:
        json.dump({"remembered": remembered(path), "now": now()}, sys.stdout)


if __name__ == "__main__":
    main()
