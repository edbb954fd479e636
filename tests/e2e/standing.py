"""A lab of the test's own: a name with a run id, a state folder of its own, taken away by label at the end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.home import ROOT

UP_S = 600


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the run keeps its state and what its stack is called."""

    run: str
    home: Path

    @property
    def lab(self) -> str:
        """The lab's stack."""
        return f"lab-{self.run}"

    @property
    def drop(self) -> str:
        """The stack of the drop that the project shows itself with."""
        return f"harbour-lights-{self.run}"

    @property
    def env(self) -> dict[str, str]:
        """The environment of every command of the run."""
        return os.environ | {"EDGEDROP_HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "160"}

    def edgedrop(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the CLI as a person would."""
        return self._run([sys.executable, "-m", "infra.ops", *arguments], self.env, check=check)

    def pulumi(
        self, *arguments: str, stack: str | None = None, tree: Path = ROOT, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """A bare `pulumi` on a stack (the lab's where none is named), set up as `edgedrop env` says."""
        words = ("pulumi", *arguments, "--non-interactive", "--stack", stack or self.lab)
        return self.set_up(*words, tree=tree, check=check)

    def runbook(
        self, page: str, stack: str | None = None, *, others: Mapping[str, str] | None = None, check: bool = True
    ) -> list[subprocess.CompletedProcess[str]]:
        """Type what docs/runbooks/<page>.md says, with this run's drop for `harbour-lights`; each ends well.

        `others` are further words of the page, and what this run has in their place.
        """
        text = (ROOT / "docs" / "runbooks" / f"{page}.md").read_text()
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        lines = [line.replace("harbour-lights", stack or self.drop) for block in blocks for line in block.splitlines()]
        for word, mine in (others or {}).items():
            lines = [line.replace(word, mine) for line in lines]
        assert lines, page
        return [self.set_up("bash", "-c", line, check=check) for line in lines]

    def set_up(self, *words: str, tree: Path = ROOT, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command in a shell that has taken what `edgedrop env` says, in this checkout or a copy of it."""
        exports = self.edgedrop("env").stdout.replace(f"PYTHONPATH={ROOT}", f"PYTHONPATH={tree}")
        return self._run(["bash", "-c", f'{exports}\nexec "$@"', "shell", *words], self.env, tree, check=check)

    def killed_when(self, said: str, *arguments: str) -> None:
        """The CLI, killed once it has said so; a pattern."""
        command = [sys.executable, "-m", "infra.ops", *arguments]
        with subprocess.Popen(command, cwd=ROOT, env=self.env, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr or ():
                if re.search(said, line):
                    process.kill()
                    return
        raise AssertionError(f"it never said {said!r}")

    def _run(
        self, command: list[str], env: dict[str, str], tree: Path = ROOT, *, check: bool
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=UP_S, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{command} -> {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done


def docker(*arguments: str, check: bool = True) -> str:
    """The engine's answer."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=check)
    return done.stdout.strip()


def changes(printed: str) -> str:
    """Pulumi's summary of what it changes, empty for nothing."""
    found = re.search(r"Resources:\n(.*?)(\n\n|\Z)", printed, re.DOTALL)
    assert found, printed
    return "\n".join(line.strip() for line in found[1].splitlines() if "unchanged" not in line.split(".")[0])


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait on a condition with a bound; say what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.2)  # the pace of asking


def labelled(stack: str) -> list[str]:
    """Everything on the engine that carries the stack's label."""
    wanted = ("--filter", f"label=edgedrop.stack={stack}")
    listings = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
    return [name for listing in listings for name in docker(*listing, *wanted).split()]


def everything(run: str) -> set[str]:
    """All containers, networks and volumes of the engine that are this run's or nobody's; others' come and go."""
    label = '{{.Label "edgedrop.stack"}}'
    listings = (("ps", "-a", "{{.ID}}"), ("network", "ls", "{{.ID}}"), ("volume", "ls", "{{.Name}}"))
    lines = [line.split() for *listing, name in listings for line in _lines(*listing, "--format", f"{name} {label}")]
    return {name for name, *stack in lines if not stack or stack[0].endswith(run)}


def _lines(*words: str) -> list[str]:
    return docker(*words).splitlines()


def sweep(stack: str) -> None:
    """Remove all containers, networks and volumes that carry the label, containers first."""
    wanted = ("--filter", f"label=edgedrop.stack={stack}")
    for listing, removal in (
        (("ps", "-aq"), ("rm", "-fv")),
        (("network", "ls", "-q"), ("network", "rm")),
        (("volume", "ls", "-q"), ("volume", "rm", "-f")),
    ):
        found = docker(*listing, *wanted).split()
        if found:
            docker(*removal, *found, check=False)
