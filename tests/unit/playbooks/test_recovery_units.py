"""The units of the role `recovery`: systemd itself reads them, and what they may do stands in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest
from ruamel.yaml import YAML

from infra.home import ROOT

ROLE = ROOT / "playbooks" / "roles" / "recovery"
UNITS = sorted(path.name.removesuffix(".j2") for path in (ROLE / "templates").glob("*.[st]*.j2"))


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """All of them, rendered."""
    told = {**YAML(typ="safe").load(ROLE / "defaults" / "main.yml"), "recovery_program": "/opt/edgedrop-recovery/0123"}
    for name in UNITS:
        text = (ROLE / "templates" / f"{name}.j2").read_text()
        made = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(text)  # noqa: S701
        (tmp_path / name).write_text(made.render(told) + "\n")
    return tmp_path


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_reads_them(units: Path) -> None:
    words = ["systemd-analyze", "verify", "--man=no", *(str(units / name) for name in UNITS)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert not [line for line in done.stderr.splitlines() if "edgedrop-" in line], done.stderr


def test_the_door_has_no_network_and_the_agent_no_rights(units: Path) -> None:
    names = ("edgedrop-door@.service", "edgedrop-recovery.service", "edgedrop-reimage.service")
    door, agent, reimage = ((units / name).read_text() for name in names)
    for one in (door, reimage):
        assert re.search(r"^RestrictAddressFamilies=AF_UNIX$", one, re.MULTILINE)
    assert "\nUser=" not in door
    assert re.search(r"^User=edgedrop-recovery$", agent, re.MULTILINE)
    assert re.search(r"^CapabilityBoundingSet=$", agent, re.MULTILINE)
    assert re.search(r"^WatchdogSec=60$", agent, re.MULTILINE)


def test_every_unit_is_put_there(units: Path) -> None:
    assert units
    placed = (ROLE / "tasks" / "configure.yml").read_text()
    assert len(UNITS) == 7
    assert [name for name in UNITS if f"- {name}\n" not in placed] == []
