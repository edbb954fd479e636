"""`edgedrop doctor`: what this machine lacks or has wrong, and the command that mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from infra.errors import MissingTool
from infra.home import ROOT, cache, home
from infra.ops.output import say, tell

ANSWER_S = 10
MIN_FREE_BYTES = 10 * 2**30
WANTED_PYTHON = (3, 13)
SET_UP = "make setup"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is needed; `mend` is the command to type where it isn't there."""

    name: str
    good: bool
    found: str
    mend: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False) -> None:
    """Look at everything that Edgedrop needs here; changes nothing, ends with 3 where something is missing."""
    findings = [check() for check in CHECKS]
    missing = [finding for finding in findings if not finding.good]
    if as_json:
        tell({"healthy": not missing, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            say(f"{'[green]ok[/]  ' if finding.good else '[red]NOT[/] '}{finding.name:<22} {finding.found}")
            if not finding.good:
                say(f"      type: {finding.mend}")
    if missing:
        raise MissingTool(
            f"{', '.join(finding.name for finding in missing)}: not as needed", f"type: {missing[0].mend}"
        )


def _docker() -> Finding:
    by_hand = "systemctl start docker" if Path("/run/systemd/system").is_dir() else SET_UP
    if shutil.which("docker") is None:
        return Finding("docker engine", good=False, found="there is no docker command", mend=SET_UP)
    version = _first_line("docker", "version", "--format", "{{.Server.Version}}")
    if version is None:
        return Finding("docker engine", good=False, found="installed, but no engine answers", mend=by_hand)
    return Finding("docker engine", good=True, found=version)


def _tool(name: str, *arguments: str) -> Callable[[], Finding]:
    def check() -> Finding:
        version = _first_line(name, *arguments)
        return Finding(name, good=version is not None, found=version or "not found", mend=SET_UP)

    return check


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", good=sys.version_info[:2] == WANTED_PYTHON, found=found, mend=SET_UP)


def _docker_plugin() -> Finding:
    folder = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    there = sorted(path.name for path in folder.glob("resource-docker-v*") if path.is_dir())
    return Finding("pulumi docker plugin", good=bool(there), found=", ".join(there) or "not installed", mend=SET_UP)


def _images() -> Finding:
    there = (ROOT / "build" / "images.json").exists()
    return Finding("images", good=there, found="built" if there else "not built", mend="make images")


def _disk() -> Finding:
    free = shutil.disk_usage(home()).free
    found = f"{free / 2**30:.0f} GiB free"
    return Finding("disk", good=free >= MIN_FREE_BYTES, found=found, mend="docker system prune")


def _state_folder() -> Finding:
    mode = home().stat().st_mode & 0o777
    return Finding("state folder", good=mode & 0o077 == 0, found=f"mode {mode:o}", mend=f"chmod 700 {home()}")


def _first_line(*command: str) -> str | None:
    """What the command says of itself, None where it is missing or fails; tools of the cache come first."""
    path = f"{ROOT / '.venv' / 'bin'}:{cache() / 'bin'}:{os.environ.get('PATH', '')}"
    binary = shutil.which(command[0], path=path)
    if binary is None:
        return None
    try:
        done = subprocess.run([binary, *command[1:]], capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else None


CHECKS: tuple[Callable[[], Finding], ...] = (
    _docker,
    _python,
    _tool("pulumi", "version"),
    _docker_plugin,
    _tool("ansible-playbook", "--version"),
    _tool("nats-server", "--version"),
    _tool("anvil", "--version"),
    _tool("softhsm2-util", "--version"),
    _images,
    _disk,
    _state_folder,
)
