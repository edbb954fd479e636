"""The lab file: nothing is needed, and what is wrong is told with its path and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import FaultyFile
from infra.home import ROOT
from infra.spec import LabFile, read_lab
from tests.tsa import Tsa

GOOD = "tsa:\n  url: https://tsa.example/tsr\n  ca: tsa-ca.pem\n"
FAULTS = {
    "unknown": ("tsa:", "colour: red\ntsa:", "colour (line 1): there is no such key"),
    "missing": ("  ca: tsa-ca.pem\n", "", "tsa.ca (line 1): is missing"),
    "no-url": ("https://", "", "tsa.url (line 2): a URL is http:// or https:// and a host"),
    "password": ("https://", "https://me:hunter2@", "tsa.url (line 2): a URL here must hold no password"),
    "folder": ("tsa-ca", "../tsa-ca", "tsa.ca (line 3): names a file beside this one"),
    "not-there": ("tsa-ca", "other", "tsa.ca (line 3): other.pem is not there to read"),
    "no-certificate": ("tsa-ca.pem", "lab.yaml", "tsa.ca (line 3): lab.yaml holds no PEM certificate"),
    "list": (GOOD, "- tsa\n", "(line 1): it must be a mapping of keys"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an authority's certificate in it."""
    tsa = Tsa(tmp_path_factory.mktemp("tsa"))
    tsa.make()
    made = tmp_path_factory.mktemp("lab")
    (made / "tsa-ca.pem").write_bytes(tsa.ca)
    return made


def test_an_authority_is_read_with_its_certificate(folder: Path) -> None:
    (folder / "lab.yaml").write_text(GOOD)
    told = read_lab(folder / "lab.yaml")
    assert told.spec.tsa is not None
    assert told.spec.tsa.url == "https://tsa.example/tsr"
    assert told.tsa_ca == (folder / "tsa-ca.pem").read_text()


def test_no_file_or_nothing_in_it_is_all_defaults(tmp_path: Path) -> None:
    assert read_lab(tmp_path / "lab.yaml") == LabFile()
    (tmp_path / "lab.yaml").write_text("# nothing\n")
    assert read_lab(tmp_path / "lab.yaml") == LabFile()
    assert read_lab(ROOT / "inventory" / "lab.yaml") == LabFile()


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_is_named_with_path_and_line(name: str, folder: Path) -> None:
    old, new, says = FAULTS[name]
    (folder / "lab.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(FaultyFile) as refused:
        read_lab(folder / "lab.yaml")
    assert says in refused.value.message
    assert "hunter2" not in refused.value.message + refused.value.hint


def test_the_example_in_the_committed_file_reads(folder: Path) -> None:
    lines = (ROOT / "inventory" / "lab.yaml").read_text().splitlines()
    example = [line.removeprefix("# ") for line in lines[2:]]
    (folder / "lab.yaml").write_text("\n".join(example))
    assert read_lab(folder / "lab.yaml").spec.tsa is not None
