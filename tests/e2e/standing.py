"""A lab and a drop of the test's own: names with a run id, a state folder of its own, taken away by label at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
UP_S = 900


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the run keeps its state and what its stacks are called."""

    run: str
    home: Path
    file: Path

    @property
    def lab(self) -> str:
        """The lab's stack."""
        return f"lab-{self.run}"

    @property
    def drop(self) -> str:
        """The drop's stack."""
        return f"harbour-lights-{self.run}"

    @property
    def env(self) -> dict[str, str]:
        """The environment of every command of the run."""
        return os.environ | {"EDGEDROP_HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "160"}

    def edgedrop(self, *arguments: str, check: bool = True, timeout: float = UP_S) -> subprocess.CompletedProcess[str]:
        """Run the CLI as a person would."""
        command = [sys.executable, "-m", "infra.ops", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"edgedrop {' '.join(arguments)} -> {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def up(self, *stacks: str) -> subprocess.CompletedProcess[str]:
        """`edgedrop up` of the run's stacks."""
        return self.edgedrop("up", *stacks, "--lab", self.lab, "--file", str(self.file), "--yes")

    def pulumi(self, *arguments: str, check: bool = True, timeout: float = UP_S) -> subprocess.CompletedProcess[str]:
        """A bare `pulumi` on the drop's stack, as `edgedrop env` sets it up."""
        code = "import os,sys;from infra.ops import pulumi_cli as p;os.environ.update(p.environment());os.execvp('pulumi',['pulumi',*sys.argv[1:]])"
        command = [sys.executable, "-c", code, *arguments, "--non-interactive", "--stack", self.drop]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"pulumi {' '.join(arguments)} -> {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def status(self) -> dict[str, Any]:
        """`edgedrop status --json`; its exit code is part of what it says, so it isn't checked here."""
        found: dict[str, Any] = json.loads(self.edgedrop("status", self.drop, "--json", check=False).stdout)
        return found


def docker(*arguments: str, check: bool = True, timeout: float = 120) -> str:
    """The engine's answer."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=check)
    return done.stdout.strip()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait on a condition with a bound; say what did not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.2)  # the pace of asking, not a wait for something to be done by then
    raise AssertionError(f"{what} did not come within {seconds} s")


def sweep(label: str) -> None:
    """Remove all containers, networks and volumes that carry the label."""
    wanted = f"label={label}"
    for listing, removal in (
        (("ps", "-aq"), ("rm", "-fv")),
        (("network", "ls", "-q"), ("network", "rm")),
        (("volume", "ls", "-q"), ("volume", "rm", "-f")),
    ):
        found = docker(*listing, "--filter", wanted).split()
        if found:
            docker(*removal, *found, check=False)
