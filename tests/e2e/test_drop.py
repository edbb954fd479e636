"""A drop from nothing to nothing by the real commands: sold, killed, drifted, mended, taken away."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import overrides, release
from infra.home import ROOT
from infra.plan.model import HubAddresses
from tests.e2e.reimaging import with_mint
from tests.e2e.standing import Standing, changes, docker, labelled, wait_for

pytestmark = pytest.mark.e2e

HUB = ("registry", "bus", "ledger-db", "chain", "ledger", "relayer", "anchorer", "cloud-signer")


@pytest.fixture(scope="module")
def shown(shared: Standing) -> str:
    """What `edgedrop demo` printed: it stood the drop up, sold, killed an appliance."""
    done = shared.edgedrop("demo", shared.drop, "--lab", shared.lab)
    return done.stdout


@pytest.fixture
def outputs(shared: Standing, shown: str) -> dict[str, Any]:
    """The drop's stack's."""
    assert shown
    found: dict[str, Any] = json.loads(shared.pulumi("stack", "output", "--json", stack=shared.drop).stdout)
    return found


def in_box(shared: Standing, node: str, *command: str, check: bool = True) -> str:
    """A command in a node's box."""
    return docker("exec", f"{shared.drop}-{node}", *command, check=check)


def test_the_demo_shows_what_buyers_saw_and_where_to_claim(shown: str, outputs: dict[str, Any]) -> None:
    for geo in ("quay", "mole"):
        assert re.search(rf"{geo} +│ +16 │ +0 │ +0 │", shown), shown  # claims, failed, lost
        assert outputs["fronts"][geo] in shown
    assert "quay-spare1" in shown, "the spare answered while the appliance was dead"


def test_journal_ledger_and_chain_hold_the_same_32(shared: Standing, shown: str) -> None:
    assert shown
    told = json.loads(shared.edgedrop("status", shared.drop, "--json").stdout)
    assert told["agree"], told
    assert [geo["agree"] for geo in told["geographies"]] == [True, True]
    issued = sum(geo["claims"] for geo in told["geographies"])
    redeemed = sum(geo["redeemed"] for geo in told["geographies"])
    # A claim that the dead appliance had signed and not answered was signed anew by the spare: one of the two redeems.
    assert redeemed == 32 <= issued
    shared.runbook("no-agreement")
    shared.runbook("too-hot")


def test_the_claim_page_and_its_metadata_are_served(outputs: dict[str, Any]) -> None:
    front = outputs["fronts"]["mole"]
    page = httpx.get(front, timeout=5)
    assert page.status_code == 200
    assert "Save the receipt" in page.text
    told = httpx.get(f"{front}/metadata/1", timeout=5).json()
    assert httpx.get(f"{front}{told['image']}", timeout=5).content.startswith(b"\x89PNG")


def test_a_second_up_changes_nothing(shared: Standing, outputs: dict[str, Any]) -> None:
    assert outputs
    again = shared.pulumi("up", "--yes", "--skip-preview", stack=shared.drop).stdout
    assert changes(again) == "", again


def test_pulumi_and_ansible_by_hand_as_the_readme_says_change_nothing(
    shared: Standing, outputs: dict[str, Any]
) -> None:
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = [one for one in blocks if "ansible-playbook" in one]
    lines = block.replace("harbour-lights", shared.drop)
    # A reader has one drop up; here others may stand beside it.
    printed = shared.set_up("env", f"EDGEDROP_STACK={shared.drop}", "bash", "-ec", lines).stdout
    assert changes(printed.split("PLAY [")[0]) == ""
    recap = printed.split("PLAY RECAP")[1]
    appliances = {name for name, node in outputs["nodes"].items() if node["kind"] == "appliance"}
    assert set(re.findall(r"^(\S+) +: .*changed=0 .*unreachable=0 .*failed=0", recap, re.MULTILINE)) == appliances


def test_no_secret_stands_in_the_state(shared: Standing, outputs: dict[str, Any]) -> None:
    assert outputs
    states = [path.read_text() for path in (shared.home / "pulumi").rglob("*.json") if path.is_file()]
    assert any(shared.drop in state for state in states)
    secrets = [path for path in (shared.home / "keys").iterdir() if path.suffix in (".secret", ".key", ".pem")]
    assert len(secrets) > 5
    for path in secrets:
        hidden = re.sub("-+BEGIN CERTIFICATE-+.*?-+END CERTIFICATE-+", "", path.read_text(), flags=re.DOTALL)
        words = [line for line in hidden.splitlines() if line and not line.startswith("---")]
        assert not any(word in state for state in states for word in words), path.name


@pytest.fixture
def ids(shared: Standing, outputs: dict[str, Any]) -> dict[str, str]:
    """The containers of all boxes, by name; what is not mended must still be these."""
    assert outputs
    nodes = ("quay-appliance1", "quay-spare1", "mole-appliance1", "mole-spare1")
    shown = {name: in_box(shared, name, "docker", "ps", "-a", "--format", "{{.Names}} {{.ID}}") for name in nodes}
    return {
        f"{name} {line.split()[0]}": line.split()[1] for name, lines in shown.items() for line in lines.splitlines()
    }


def test_drift_is_named_by_preview_and_mended_by_up(shared: Standing, ids: dict[str, str]) -> None:
    in_box(shared, "quay-appliance1", "docker", "stop", "edgedrop-mint")
    in_box(shared, "mole-appliance1", "sh", "-c", "echo '# edited' >> /etc/edgedrop/courier/env")
    in_box(shared, "mole-appliance1", "docker", "rm", "-f", "edgedrop-bus")
    in_box(shared, "quay-spare1", "docker", "rm", "-f", "edgedrop-courier")
    preview, _ = (done.stdout for done in shared.runbook("drift"))
    assert "quay-appliance1: container mint: stopped" in preview
    assert "mole-appliance1: container bus: gone; file /etc/edgedrop/courier/env: edited" in preview
    assert re.search(r"\+ .*Container quay-spare1-courier create", preview), preview
    assert "3 changes" in changes(preview)
    assert changes(shared.pulumi("preview", stack=shared.drop).stdout) == ""
    assert "edgedrop-bus" in in_box(shared, "mole-appliance1", "docker", "ps", "--format", "{{.Names}}")
    untouched = {name for name in ids if name.startswith(("mole-spare1 ", "quay-spare1 "))} - {
        "quay-spare1 edgedrop-courier"
    }
    for name in untouched:
        node, container = name.split()
        assert in_box(shared, node, "docker", "inspect", "-f", "{{.Id}}", container).startswith(ids[name]), name


def test_an_edited_role_is_a_change_of_each_appliance(
    shared: Standing, outputs: dict[str, Any], tmp_path: Path
) -> None:
    """In a copy of the checkout: others use this one meanwhile."""
    assert outputs
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "__pycache__"))
    (tree / "build").symlink_to(ROOT / "build")
    shutil.copytree(ROOT / "contracts" / "build", tree / "contracts" / "build")
    with (tree / "playbooks" / "roles" / "service" / "templates" / "env.j2").open("a") as template:
        template.write("# edited by a test\n")
    preview = shared.pulumi("preview", stack=shared.drop, tree=tree).stdout
    assert set(re.findall(r"~ .*Provisioned (\S+)-node update .*wanted", preview)) == {
        "quay-appliance1",
        "mole-appliance1",
    }
    assert changes(preview) == "~ 2 to update"


def test_a_bad_release_stops_at_the_canary(
    shared: Standing, shared_hub: HubAddresses, outputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(shared.home))
    bad = with_mint(shared_hub, 'ENTRYPOINT ["false"]')
    words = ("reimage", "--all", "--drop", shared.drop, "--release", bad.digest[:12], "--yes", "--json")
    done = shared.edgedrop(*words, check=False)
    assert done.returncode == 1, done.stderr
    told = {one["node"]: (one["did"], one["release"]) for one in json.loads(done.stdout)["nodes"]}
    before = release.current(shared.lab).digest
    assert told == {"quay-appliance1": ("failed", before), "mole-appliance1": ("not begun", before)}
    assert "the old one is back" in done.stderr
    again = shared.edgedrop(*words, check=False)
    assert (again.returncode, again.stdout) == (1, ""), again.stdout
    assert f"release {bad.digest[:12]} failed on quay-appliance1 before" in again.stderr
    assert overrides.read(shared.drop, "quay-appliance1") is None, "what is back needs none"
    assert outputs


def test_a_release_rolls_over_the_drop_and_after_a_kill_the_same_command_goes_on(
    shared: Standing, shared_hub: HubAddresses, outputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(shared.home))
    other = with_mint(shared_hub, "LABEL edgedrop.rolled=1")
    words = ("reimage", "--all", "--drop", shared.drop, "--release", other.digest[:12], "--yes")
    shared.killed_when(r"mole-appliance1: +\d+ s  trying", *words)
    told = json.loads(shared.edgedrop(*words, "--json").stdout)
    assert {one["node"]: one["release"] for one in told["nodes"]} == {
        "quay-appliance1": other.digest,
        "mole-appliance1": other.digest,
    }
    did = {one["node"]: one["did"] for one in told["nodes"]}
    assert did["quay-appliance1"] == "was done"
    for node in did:
        assert in_box(shared, node, "docker", "inspect", "-f", "{{.Config.Image}}", "edgedrop-mint").endswith(
            other.images["mint"]
        )
        address = outputs["nodes"][node]["ssh"].partition("@")[2].partition(":")[0]
        assert httpx.get(f"http://{address}:8080/readyz", timeout=5).is_success
    preview = shared.pulumi("preview", stack=shared.drop).stdout
    named = set(re.findall(rf"warning: (\S+): override: release {other.digest[:12]}", preview))
    assert (changes(preview), named) == ("", set(did)), preview


def test_with_an_appliance_dead_preview_says_so_and_up_mends_the_others(
    shared: Standing, outputs: dict[str, Any]
) -> None:
    docker("kill", f"{shared.drop}-quay-appliance1", f"{shared.drop}-quay-front")
    in_box(shared, "mole-appliance1", "docker", "stop", "edgedrop-mint")
    in_box(shared, "mole-spare1", "docker", "stop", "edgedrop-mint")
    preview = shared.pulumi("preview", stack=shared.drop).stdout
    assert "quay-appliance1 does not answer: reachable: false" in preview
    assert re.search(r"~ .*Container quay-front update .*mustRun", preview), preview
    shared.runbook("front-dead")
    assert httpx.get(f"{outputs['fronts']['mole']}/readyz", timeout=5).status_code == 200
    told = json.loads(shared.edgedrop("status", shared.drop, "--json", check=False).stdout)
    assert {geo["geography"]: geo["ready"] for geo in told["geographies"]} == {"quay": 1, "mole": 2}
    quay, _ = told["fronts"]
    assert (quay["answers"], quay["dead"]) == ("quay-front2", []), "it was made anew, and took nothing back"
    docker("start", f"{shared.drop}-quay-appliance1")
    box = f"{shared.drop}-quay-appliance1"
    wait_for(lambda: docker("exec", box, "docker", "version", check=False) != "", 60, "the box's engine")
    shared.runbook("appliance-dead")
    assert changes(shared.pulumi("preview", stack=shared.drop).stdout) == ""


def test_with_a_spares_engine_dead_pulumi_names_it_and_edgedrop_leaves_it_out(
    shared: Standing, outputs: dict[str, Any]
) -> None:
    docker("kill", f"{shared.drop}-mole-spare1")
    in_box(shared, "quay-appliance1", "docker", "stop", "edgedrop-mint")
    bare = shared.pulumi("up", "--yes", "--skip-preview", stack=shared.drop, check=False)
    assert bare.returncode != 0
    assert re.search(r"mole-spare1.*error", bare.stdout + bare.stderr), bare.stdout
    (done,) = shared.runbook("spare-dead")
    assert "mole-spare1 does not answer and is left out" in done.stderr
    assert httpx.get(f"{outputs['fronts']['quay']}/readyz", timeout=5).status_code == 200
    assert "edgedrop-mint" in in_box(shared, "quay-appliance1", "docker", "ps", "--format", "{{.Names}}")


def test_the_hubs_services_never_fell(shared: Standing, outputs: dict[str, Any]) -> None:
    assert outputs
    names = [f"{shared.lab}-{service}" for service in HUB]
    assert docker("inspect", "-f", "{{.RestartCount}}", *names).split() == ["0"] * len(HUB)


def test_down_with_a_dead_appliance_and_a_dead_spare_leaves_nothing(shared: Standing, outputs: dict[str, Any]) -> None:
    assert outputs
    docker("kill", f"{shared.drop}-quay-appliance1")
    shared.edgedrop("down", shared.drop, "--yes")
    assert labelled(shared.drop) == []
    assert [path for path in shared.home.rglob("*") if shared.drop in path.name] == []
    stacks = json.loads(shared.pulumi("stack", "ls", "--json").stdout)
    assert shared.drop not in [stack["name"] for stack in stacks]
    assert docker("ps", "-q", "--filter", f"name={shared.lab}-chain")
