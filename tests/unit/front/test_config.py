"""The front's configuration: the whole text against a golden file, and what HAProxy itself says of it."""

from __future__ import annotations

import os
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


def test_only_spares_wait_behind() -> None:
    backups = [line.split()[1] for line in render("quay", NODES).splitlines() if line.endswith(" backup")]
    assert backups == ["quay-spare1"]


def test_a_lookup_can_reach_every_node() -> None:
    many = tuple(FrontNode(f"quay-spare{n}", f"10.16.1.{n}", "spare") for n in range(10, 17))
    lookup = render("quay", many, FrontOptions(retries=2)).split("\nbackend lookup")[1]
    assert "    retries 9\n" in lookup  # each of the seven, and two that may die meanwhile


@pytest.mark.skipif(not Path(HAPROXY).exists(), reason="no haproxy here; tests/e2e/test_front.py uses the image")
def test_haproxy_accepts_it_without_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(render("quay", NODES))
    check = subprocess.run([HAPROXY, "-c", "-f", file], capture_output=True, text=True, timeout=20, check=False)
    assert check.returncode == 0, check.stderr
    assert "WARNING" not in check.stderr
