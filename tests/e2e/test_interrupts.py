"""An `up` is cut off at five points, in three ways: heal and up converge, nothing is made twice, nothing stays."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.home import ROOT
from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import UP_S, Standing, changes, docker, everything, sweep

pytestmark = pytest.mark.e2e

# In the order in which an `up` comes to them; each goes on from where the one before was cut off.
POINTS = {
    "network": r"Network pier-network creating",
    "box": r"Container pier-appliance1 creating",
    "container": r"Container pier-spare1-\w+ creating",
    "play": r"Provisioned pier-appliance1-node (creating|updating) .* service: ",
    "lease": r"Grant pier-appliance1-grant creating",
}
MADE = {"containers": 4, "networks": 1, "volumes": 3}  # two boxes, the front, the witness beside it
ASKED_AGAIN = "press ^C again"


def once(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, as a terminal sends it: to the whole foreground group."""
    os.killpg(process.pid, signal.SIGINT)


def twice(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, and again once Pulumi says what that would mean."""
    once(process)
    assert process.stderr
    for line in process.stderr:
        if ASKED_AGAIN in line:
            break
    once(process)


def killed(process: subprocess.Popen[str]) -> None:
    """What the out-of-memory killer does."""
    os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("cut", [once, twice, killed])
def test_heal_and_up_converge(standing: Standing, tmp_path: Path, cut: Callable[[subprocess.Popen[str]], None]) -> None:
    before, stack = everything(standing.run), f"{cut.__name__}-{standing.run}"
    file = write_small_drop(tmp_path, cut.__name__, 40)
    words = ("up", stack, "--lab", standing.lab, "--file", str(file), "--yes")
    try:
        for point, moment in POINTS.items():
            if point == "play":  # a Ctrl-C at the point before has waited for the play: there must be one again
                docker("exec", f"{stack}-pier-appliance1", "docker", "rm", "-f", "edgedrop-courier", check=False)
            cut_off(standing, words, moment, cut)
            standing.edgedrop("heal", stack, "--yes")
            assert processes_of(standing.home) == [], point
            assert locks_of(standing.home) == [], point
        leave_a_stray(stack)
        leave_half_a_twin(standing, stack)
        standing.runbook("up-was-cut-off", stack)
        assert "nothing to heal" in standing.edgedrop("heal", stack, "--yes").stderr
        assert changes(standing.pulumi("preview", stack=stack).stdout) == ""
        assert made(stack) == MADE
        told = json.loads(standing.edgedrop("status", stack, "--json").stdout)
        assert (told["agree"], told["geographies"][0]["ready"]) == (True, 2)
        standing.edgedrop("down", stack, "--yes")
        assert everything(standing.run) == before
        assert processes_of(standing.home) == []
    finally:
        sweep(stack)


def leave_a_stray(stack: str) -> None:
    """On the spare's own engine, as a provider does that is killed before it tells of what it made."""
    box = f"{stack}-pier-spare1"
    image = docker("exec", box, "docker", "images", "-q").split()[0]
    docker("exec", box, "docker", "create", "--name", "stray", "--label", f"edgedrop.stack={stack}", image)


def leave_half_a_twin(standing: Standing, stack: str) -> None:
    """What a kill between the creation of that file and its first byte leaves; no `pulumi` runs then, on any stack."""
    checkpoint = standing.home / "pulumi" / ".pulumi" / "stacks" / "edgedrop" / f"{stack}.json"
    checkpoint.with_name(f"{checkpoint.name}.attrs").write_text("")
    told = standing.edgedrop("up", standing.lab, "--yes", check=False)
    assert (told.returncode, f"edgedrop heal {stack}" in told.stderr) == (1, True), told.stderr


def cut_off(
    standing: Standing, words: tuple[str, ...], moment: str, cut: Callable[[subprocess.Popen[str]], None]
) -> None:
    """Begin an `up` and cut it off when its progress says `moment`."""
    command = [sys.executable, "-m", "infra.ops", *words]
    heard: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, env=standing.env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr
        for line in process.stderr:
            heard.append(line)
            if re.search(moment, line):
                break
        else:
            raise AssertionError(f"the up never said {moment!r}:\n{''.join(heard[-40:])}")
        cut(process)
        process.stderr.read()  # it must not wait for us
        assert process.wait(UP_S) != 0


def made(stack: str) -> dict[str, int]:
    """How many of each carry the stack's label."""
    wanted = ("--filter", f"label=edgedrop.stack={stack}")
    listings = {"containers": ("ps", "-aq"), "networks": ("network", "ls", "-q"), "volumes": ("volume", "ls", "-q")}
    return {kind: len(docker(*listing, *wanted).split()) for kind, listing in listings.items()}


def processes_of(home: Path) -> list[str]:
    """Command lines of the processes that were given this state folder."""
    wanted, found = f"EDGEDROP_HOME={home}".encode(), []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [words for words in found if words]  # a dead one that nobody has reaped has no words


def locks_of(home: Path) -> list[Path]:
    """Of Pulumi's file backend."""
    return [path for path in (home / "pulumi" / ".pulumi" / "locks").rglob("*") if path.is_file()]
