"""toolchain/versions.env is the one place of a version: what other tools must repeat agrees with it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLCHAIN = ROOT / "toolchain"


def versions() -> dict[str, str]:
    script = f"set -a; . {TOOLCHAIN}/versions.env; env -0"
    result = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"}
    )
    return dict(line.split("=", 1) for line in result.stdout.split("\0") if "=" in line)


def locked(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def required(module: str, go_mod: str) -> str:
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} v(\S+)", (TOOLCHAIN / go_mod).read_text(), re.MULTILINE)
    assert found, f"{module} is not in {go_mod}"
    return found[1]


@pytest.mark.parametrize(
    ("variable", "module", "go_mod"),
    [
        ("PULUMI_VERSION", "github.com/pulumi/pulumi/pkg/v3", "go/pulumi/go.mod"),
        ("PULUMI_VERSION", "github.com/pulumi/pulumi/sdk/v3", "go/pulumi/go.mod"),
        (
            "PULUMI_LANGUAGE_PYTHON_VERSION",
            "github.com/pulumi/pulumi/sdk/v3",
            "go/pulumi-language-python/go.mod",
        ),
        ("PULUMI_VERSION", "github.com/pulumi/pulumi/sdk/v3", "pulumi-docker-plugin/go.mod"),
        (
            "PULUMI_TERRAFORM_BRIDGE_VERSION",
            "github.com/pulumi/pulumi-terraform-bridge/v3",
            "pulumi-docker-plugin/go.mod",
        ),
        ("NATS_SERVER_VERSION", "github.com/nats-io/nats-server/v2", "go/nats-server/go.mod"),
    ],
)
def test_go_modules_build_the_pinned_versions(variable: str, module: str, go_mod: str) -> None:
    assert required(module, go_mod) == versions()[variable]


def test_npm_packages_are_the_pinned_versions() -> None:
    manifest = json.loads((TOOLCHAIN / "npm/package.json").read_text())
    wanted = manifest["dependencies"] | manifest["optionalDependencies"] | manifest["devDependencies"]
    pinned = versions()
    assert wanted == {
        "ethers": pinned["ETHERS_VERSION"],
        "@foundry-rs/anvil-linux-amd64": pinned["ANVIL_VERSION"],
        "solc": pinned["SOLC_VERSION"],
        "@openzeppelin/contracts": pinned["OPENZEPPELIN_VERSION"],
        "solady": pinned["SOLADY_VERSION"],
    }


def test_python_sdks_match_the_engine_and_the_plugin() -> None:
    control = locked(ROOT / "requirements.lock")
    assert control["pulumi"] == versions()["PULUMI_VERSION"]
    assert control["pulumi-docker"] == versions()["PULUMI_DOCKER_VERSION"]


@pytest.mark.parametrize("group", ["node", "hub"])
def test_images_run_what_the_tests_ran(group: str) -> None:
    control = locked(ROOT / "requirements.lock")
    image = locked(ROOT / f"node_image/requirements-{group}.lock")
    assert image.items() <= control.items()


def test_a_box_does_not_pull_the_hubs_libraries() -> None:
    assert not {"web3", "sqlalchemy", "psycopg"} & locked(ROOT / "node_image/requirements-node.lock").keys()


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "node_image/requirements-node.lock", "node_image/requirements-hub.lock"]
)
def test_python_locks_say_nothing_of_where_a_package_came_from(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not [trace for trace in ("://", "--index-url", "--find-links") if trace in text]


def test_the_npm_lock_says_nothing_of_where_a_package_came_from() -> None:
    packages = json.loads((TOOLCHAIN / "npm/package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)
