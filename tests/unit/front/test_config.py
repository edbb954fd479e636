"""The front's configuration: the whole text against a golden file, and what HAProxy itself says of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from node_image.front.config import FrontNode, FrontOptions, render

GOLDEN = Path(__file__).parent / "quay.haproxy.cfg"
NODES = (FrontNode("quay-appliance1", "10.16.1.10", "appliance"), FrontNode("quay-spare1", "10.16.1.11", "spare"))
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"


def test_matches_golden_file() -> None:
    """`EDGEDROP_GOLDEN=write` takes a wanted change over."""
    text = render("quay", NODES)
    if os.environ.get("EDGEDROP_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def servers(backend: str, nodes: tuple[FrontNode, ...]) -> list[str]:
    section = render("quay", nodes).split(f"\nbackend {backend}\n")[1].split("\n\n")[0]
    return [line.split()[1] for line in section.splitlines() if line.startswith("    server ")]


def test_each_node_is_in_the_pool_of_its_kind() -> None:
    assert servers("appliances", NODES) == ["quay-appliance1"]
    assert servers("spares", NODES) == ["quay-spare1"]


def test_a_try_that_failed_goes_to_the_other_pool_where_there_is_one() -> None:
    assert servers("appliances-first", NODES) == ["appliances", "spares"]
    assert servers("spares-first", NODES) == ["spares", "appliances"]
    assert servers("appliances-first", NODES[:1]) == ["appliances"]


def test_the_last_resort_and_a_lookup_can_reach_every_node() -> None:
    many = tuple(FrontNode(f"quay-spare{n}", f"10.16.1.{n}", "spare") for n in range(10, 17))
    text = render("quay", many, FrontOptions(tries=2))
    for backend in ("anyone", "lookup"):
        assert len(servers(backend, many)) == 7
        assert "    retries 9\n" in text.split(f"\nbackend {backend}\n")[1].split("\n\n")[0]  # two may die meanwhile


def test_a_node_is_given_no_more_claims_at_a_time_than_it_can_hold() -> None:
    text = render("quay", (FrontNode("quay-appliance1", "10.16.1.10", "appliance", at_once=12), NODES[1]))
    assert "server quay-appliance1 10.16.1.10:8080 maxconn 12 agent-check" in text
    assert "server quay-spare1 10.16.1.11:8080 maxconn 64\n" in text


LENT = (*NODES, FrontNode("mole-spare1", "10.16.2.11", "lent", at_once=32))


def rules(nodes: tuple[FrontNode, ...]) -> list[str]:
    """Which backend a claim goes to, in the order of asking."""
    text = render("quay", nodes).split("\nfrontend claims\n")[1].split("\n\n")[0]
    return re.findall(r"^    (?:use|default)_backend (\S+)", text, re.MULTILINE)


def test_what_others_lend_comes_last() -> None:
    assert rules(LENT) == [
        "lookup",
        "anyone",
        "lent-pages",
        "pages",
        "lent-first",  # no own node is in service
        "spares-first",
        "lent-first",  # none has a hand free
        "appliances-first",
    ]
    assert servers("lent-first", LENT) == ["lent", "spares"]
    assert servers("appliances-first", LENT) == ["appliances", "spares"], "a try that fails stays at home"
    assert servers("appliances-first", (LENT[0], LENT[2])) == ["appliances", "lent"], "where there is somebody"
    assert servers("pages", LENT) == ["quay-appliance1", "quay-spare1"]
    for backend in ("lookup", "anyone"):
        assert servers(backend, LENT) == ["quay-appliance1", "quay-spare1", "mole-spare1"]
    assert "server mole-spare1 10.16.2.11:8080 maxconn 32\n" in render("quay", LENT)


def test_a_front_that_is_lent_nothing_knows_nothing_of_it() -> None:
    assert "lent" not in render("quay", NODES)


def test_no_claim_by_itself_takes_a_node_of_both_pools_out() -> None:
    """One that every node fails on is tried at the pools in turns."""
    options = FrontOptions()
    assert options.errors > (options.tries + 1) // 2


@pytest.mark.skipif(not Path(HAPROXY).exists(), reason="no haproxy here; tests/e2e/test_front.py uses the image")
@pytest.mark.parametrize("nodes", [NODES, NODES[:1], NODES[1:], (), LENT, LENT[2:]], ids=str)
def test_haproxy_accepts_it_without_a_warning(tmp_path: Path, nodes: tuple[FrontNode, ...]) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(render("quay", nodes, FrontOptions(admin_socket=str(tmp_path / "admin.sock"))))
    check = subprocess.run([HAPROXY, "-c", "-f", file], capture_output=True, text=True, timeout=20, check=False)
    assert check.returncode == 0, check.stderr
    assert "WARNING" not in check.stderr
