"""What the doctor says of a machine that lacks something: the thing, its state, the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.home import ROOT
from infra.ops import checks

PULUMI = ".".join(str(part) for part in checks.wanted_version("PULUMI_VERSION"))


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it but what a test puts into its bin."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EDGEDROP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "SYSTEMD", tmp_path / "systemd")
    return tmp_path


def put(machine: Path, name: str, script: str) -> None:
    """A command that does what the script says."""
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_no_docker_command(machine: Path) -> None:
    assert machine.exists()
    assert checks.docker() == checks.Finding("docker engine", "missing", "there is no docker command", "make setup")


@pytest.mark.parametrize(("systemd", "starts"), [(True, "systemctl start docker"), (False, "dockerd")])
def test_docker_that_is_not_running_is_told_how_to_start(machine: Path, systemd: bool, starts: str) -> None:
    put(machine, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    if systemd:
        (machine / "systemd").mkdir()
    found = checks.docker()
    assert (found.state, found.found) == ("missing", "no engine answers")
    assert "make setup" in found.mend
    assert starts in found.mend


def test_docker_that_this_user_may_not_use(machine: Path) -> None:
    put(machine, "docker", "echo 'permission denied while trying to connect' >&2; exit 1")
    assert (checks.docker().state, "usermod" in checks.docker().mend) == ("wrong", True)


def test_docker_that_answers(machine: Path) -> None:
    put(machine, "docker", "echo 26.1.5")
    assert checks.docker() == checks.Finding("docker engine", "ok", "26.1.5")


@pytest.mark.parametrize(
    ("version", "state"), [(PULUMI, "ok"), ("3.999.0", "ok"), ("3.1.0", "wrong"), ("4.0.0", "wrong")]
)
def test_pulumi_by_version(machine: Path, version: str, state: str) -> None:
    put(machine, "pulumi", f"echo v{version}")
    assert checks.pulumi().state == state


def test_a_plugin_of_another_version_is_wrong_not_missing(machine: Path) -> None:
    assert checks.docker_plugin().state == "missing"
    (machine / "pulumi" / "plugins" / "resource-docker-v1.0.0").mkdir(parents=True)
    assert checks.docker_plugin().state == "wrong"


def test_a_tool_that_fails_is_wrong(machine: Path) -> None:
    check = checks.tool("anvil")
    assert check().state == "missing"
    put(machine, "anvil", "echo 'libc too old' >&2; exit 127")
    assert check() == checks.Finding("anvil", "wrong", "libc too old", "make setup")


def test_a_state_folder_that_others_can_read(machine: Path) -> None:
    (machine / "home").mkdir(mode=0o755)
    (machine / "home").chmod(0o755)
    assert checks.state_folder() == checks.Finding("state folder", "wrong", "mode 755", f"chmod 700 {machine / 'home'}")


def test_every_finding_that_is_not_ok_names_its_command(machine: Path) -> None:
    assert machine.exists()
    bad = [finding for finding in checks.findings() if finding.state != "ok"]
    assert len(bad) >= 8
    assert all(finding.mend for finding in bad)


def test_on_the_command_line_it_ends_with_3_and_no_traceback(machine: Path) -> None:
    put(machine, "docker", "exit 1")
    command = [sys.executable, "-m", "infra.ops", "doctor"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "no engine answers" in done.stdout
    assert "error: not as needed: " in done.stderr
    assert "docker engine (missing)" in done.stderr
