"""The set-up script as a person meets it, on a machine where nothing is installed: it looks and changes nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def setup(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "toolchain/setup"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment, timeout=60
    )


def call(function: str, **environment: str) -> str:
    """One function of the script's parts, by itself."""
    parts = "ui system python npm go"
    script = f"""
        set -euo pipefail; ROOT={ROOT}; CACHE=$EDGEDROP_CACHE; SUDO=; PULUMI_PLUGINS=$CACHE/plugins
        . $ROOT/toolchain/versions.env; for part in {parts}; do . $ROOT/toolchain/lib/$part.sh; done
        {function}"""
    result = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env=os.environ | environment, timeout=60
    )
    return result.stdout + f"[{result.returncode}]"


@pytest.fixture
def empty(tmp_path: Path) -> dict[str, str]:
    return {
        "EDGEDROP_CACHE": str(tmp_path / "cache"),
        "PULUMI_HOME": str(tmp_path / "pulumi"),
        "DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def test_check_names_what_is_missing_and_changes_nothing(empty: dict[str, str], tmp_path: Path) -> None:
    result = setup("--check", **empty)
    rows = {line.split("\t")[1]: line.split("\t") for line in result.stdout.splitlines()}
    assert result.returncode == 1
    assert rows["docker engine"] == ["missing", "docker engine", "no engine answers: run toolchain/setup"]
    assert rows["nats-server"][0] == "missing"
    assert not list(tmp_path.iterdir())


def test_an_unknown_flag_is_bad_usage() -> None:
    result = setup("--bogus")
    assert result.returncode == 2
    assert "usage:" in result.stderr


def test_a_failed_step_says_what_failed_and_what_to_do(empty: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "nats.log"
    log.write_text("first\nlast words\n")
    result = call(f"fail nats {log} 2>&1", **empty)
    assert result.startswith("error: nats-server: the step failed\nhint: Go ")
    assert result.endswith("  | last words\n[3]")


def test_a_pid_file_of_a_dead_or_other_process_is_dropped(empty: dict[str, str], tmp_path: Path) -> None:
    dead, other, alive = tmp_path / "dead.pid", tmp_path / "other.pid", tmp_path / "alive.pid"
    dead.write_text("4194304")
    other.write_text(str(os.getpid()))
    alive.write_text(str(os.getpid()))
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    call(f"drop_stale {dead} dockerd; drop_stale {other} dockerd; drop_stale {alive} '{name}'", **empty)
    assert (dead.exists(), other.exists(), alive.exists()) == (False, False, True)


@pytest.mark.parametrize(
    ("found", "accepted"), [("v3.256.0", True), ("v3.300.1", True), ("v3.99.0", False), ("v4.0.0", False)]
)
def test_a_pulumi_on_path_is_used_if_it_is_new_enough(
    empty: dict[str, str], tmp_path: Path, found: str, accepted: bool
) -> None:
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho {found}\n")
    program.chmod(0o755)
    result = call("own_pulumi", **(empty | {"PATH": f"{program.parent}:{empty['PATH']}"}))
    assert result.endswith("[0]" if accepted else "[1]")


def test_a_tool_is_built_again_when_its_module_changes(empty: dict[str, str], tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module x\n")
    before = call(f"tool_key {module}", **empty)
    assert call(f"tool_key {module}", **empty) == before
    (module / "go.sum").write_text("y\n")
    assert call(f"tool_key {module}", **empty) != before
