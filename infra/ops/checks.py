"""What Edgedrop needs of a machine, one function a thing. Each looks and changes nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.home import ROOT, cache, home

ANSWER_S = 10
MIN_FREE_BYTES = 10 * 2**30
WANTED_PYTHON = (3, 13)
SET_UP = "make setup"
IN_GROUP = 'sudo usermod -aG docker "$USER", then log in again'
SYSTEMD = Path("/run/systemd/system")
CGROUP = Path("/sys/fs/cgroup")
VERSIONS = ROOT / "toolchain" / "versions.env"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is needed; `mend` is the command to type where it is not ok."""

    name: str
    state: Literal["ok", "missing", "wrong"]
    found: str
    mend: str = ""


def findings() -> list[Finding]:
    """All checks, in the order in which one would mend them."""
    return [check() for check in CHECKS]


def ran(*command: str) -> tuple[int | None, str]:
    """Exit code (None where there is no such command) and last words; the tools of the cache come before PATH."""
    folders = (ROOT / ".venv" / "bin", cache() / "bin", os.environ.get("PATH", ""))
    binary = shutil.which(command[0], path=":".join(str(folder) for folder in folders))
    if binary is None:
        return None, "not found"
    try:
        done = subprocess.run([binary, *command[1:]], capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        return 1, f"{type(fault).__name__}: {command[0]} did not run to its end"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode, (lines[0] if done.returncode == 0 else lines[-1]) if lines else ""


def docker() -> Finding:
    """The engine answers."""
    code, words = ran("docker", "version", "--format", "{{.Server.Version}}")
    if code is None:
        return Finding("docker engine", "missing", "there is no docker command", SET_UP)
    if code == 0:
        return Finding("docker engine", "ok", words)
    if "permission denied" in words:
        return Finding("docker engine", "wrong", "it runs, but this user may not talk to it", IN_GROUP)
    return Finding("docker engine", "missing", "no engine answers", _start_docker())


def _start_docker() -> str:
    """`make setup` installs and starts it; where it is installed already, one command starts it alone."""
    if SYSTEMD.is_dir():
        return f"sudo systemctl start docker (or {SET_UP}, which installs it too)"
    return f"{SET_UP} (it starts dockerd by hand, since no systemd runs here: sudo dockerd &)"


def cgroups() -> Finding:
    """Where no init system mounted them, no container starts."""
    found = "v2" if (CGROUP / "cgroup.controllers").exists() else "v1" if (CGROUP / "memory").is_dir() else ""
    return Finding("cgroups", "ok" if found else "missing", found or f"nothing in {CGROUP}", "" if found else SET_UP)


def python() -> Finding:
    """The interpreter that runs this."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info[:2] == WANTED_PYTHON
    return Finding("python", "ok" if good else "wrong", found, "" if good else SET_UP)


def pulumi() -> Finding:
    """The lock's version or a newer one of the same major, as the set-up takes it."""
    code, words = ran("pulumi", "version")
    if code is None:
        return Finding("pulumi", "missing", words, SET_UP)
    wanted, found = wanted_version("PULUMI_VERSION"), _numbers(words)
    good = code == 0 and found[:1] == wanted[:1] and found >= wanted
    wish = ".".join(str(part) for part in wanted)
    return Finding(
        "pulumi", "ok" if good else "wrong", words if good else f"{words}, not {wish}", "" if good else SET_UP
    )


def language_host() -> Finding:
    """What Pulumi runs Python programs with; it only answers to an engine, so it is found and not run."""
    path = f"{cache() / 'bin'}:{os.environ.get('PATH', '')}"
    there = shutil.which("pulumi-language-python", path=path)
    return Finding("pulumi python host", "ok" if there else "missing", there or "not found", "" if there else SET_UP)


def docker_plugin() -> Finding:
    """Pulumi's docker provider, in its plugin folder."""
    folder = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    there = sorted(path.name.removeprefix("resource-docker-") for path in folder.glob("resource-docker-v*/"))
    found = ", ".join(there) or "not installed"
    wanted = "v" + ".".join(str(part) for part in wanted_version("PULUMI_DOCKER_VERSION"))
    state: Literal["ok", "missing", "wrong"] = "ok" if wanted in there else "wrong" if there else "missing"
    return Finding("pulumi docker plugin", state, found, "" if state == "ok" else SET_UP)


def tool(name: str, option: str = "--version") -> Callable[[], Finding]:
    """A command that says its version."""

    def check() -> Finding:
        code, words = ran(name, option)
        state: Literal["ok", "missing", "wrong"] = "ok" if code == 0 else "missing" if code is None else "wrong"
        return Finding(name, state, words, "" if code == 0 else SET_UP)

    return check


def images() -> Finding:
    """What `make images` wrote."""
    there = (ROOT / "build" / "images.json").exists()
    return Finding(
        "images", "ok" if there else "missing", "built" if there else "not built", "" if there else "make images"
    )


def disk() -> Finding:
    """Room for images, volumes and journals."""
    free = shutil.disk_usage(home()).free
    good = free >= MIN_FREE_BYTES
    found = f"{free / 2**30:.0f} GiB free" + ("" if good else f", {MIN_FREE_BYTES // 2**30} are wanted")
    return Finding("disk", "ok" if good else "wrong", found, "" if good else "docker system prune")


def state_folder() -> Finding:
    """Nobody else may read keys."""
    mode = home().stat().st_mode & 0o777
    good = mode & 0o077 == 0
    return Finding("state folder", "ok" if good else "wrong", f"mode {mode:o}", "" if good else f"chmod 700 {home()}")


def wanted_version(name: str) -> tuple[int, ...]:
    """A pinned version, from the one file that pins them."""
    pinned = re.search(rf"^{name}=(\S+)$", VERSIONS.read_text(), re.MULTILINE)
    return _numbers(pinned[1]) if pinned else ()


def _numbers(version: str) -> tuple[int, ...]:
    found = re.search(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


CHECKS: tuple[Callable[[], Finding], ...] = (
    cgroups,
    docker,
    python,
    pulumi,
    language_host,
    docker_plugin,
    tool("ansible-playbook"),
    tool("nats-server"),
    tool("anvil"),
    tool("softhsm2-util"),
    images,
    disk,
    state_folder,
)
