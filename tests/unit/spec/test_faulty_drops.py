"""Every way to get a drop file wrong: its own sentence, its dotted path, its line, exit code 2, nothing created."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.errors import FaultyFile
from infra.home import ROOT
from infra.spec import read_drop

DROPS = ROOT / "inventory" / "drops"
GOOD = (DROPS / "harbour-lights.yaml").read_text()

# name: (what stands there, what somebody wrote instead, dotted path with line, part of the sentence)
FAULTS = {
    "unknown-key": ("symbol: HARBOUR", "symbol: HARBOUR\ncolour: blue", "colour (line 5)", "no such key"),
    "misspelt-key": ("    wallet_cap: 2", "    walet_cap: 2", "tiers[0].walet_cap (line 21)", "no such key"),
    "missing-key": ("symbol: HARBOUR\n", "", "symbol (line 1)", "is missing"),
    "wrong-type": ("supply: 40", "supply: forty", "tiers[0].supply (line 19)", "valid integer"),
    "number-as-text": ("supply: 40", 'supply: "40"', "tiers[0].supply (line 19)", "valid integer"),
    "negative-price": (
        "price_gwei: 10000000",
        "price_gwei: -1",
        "tiers[2].price_gwei (line 37)",
        "greater than or equal",
    ),
    "zero-supply": ("supply: 40", "supply: 0", "tiers[0].supply (line 19)", "greater than or equal"),
    "name-with-capitals": ("name: harbour-lights", "name: Harbour", "name (line 2)", "not spelt"),
    "symbol-in-small": ("symbol: HARBOUR", "symbol: harbour", "symbol (line 4)", "not spelt"),
    "time-without-zone": (
        "closes_at: 2031-01-01T00:00:00Z",
        "closes_at: 2031-01-01T00:00:00",
        "window.closes_at (line 9)",
        "no zone",
    ),
    "time-in-words": (
        "closes_at: 2031-01-01T00:00:00Z",
        "closes_at: tomorrow",
        "window.closes_at (line 9)",
        "ISO 8601",
    ),
    "window-closes-first": ("closes_at: 2031-", "closes_at: 2025-", "window.closes_at (line 9)", "not after opens_at"),
    "redeem-before-close": (
        "redeem_by: 2031-02-01",
        "redeem_by: 2030-02-01",
        "window.redeem_by (line 10)",
        "not after closes_at",
    ),
    "asset-missing": (
        "harbour-lights/proof/*.png",
        "harbour-lights/none/*.png",
        "tiers[2].assets (line 35)",
        "no file",
    ),
    "asset-outside": ("harbour-lights/proof/*.png", "../../*.md", "tiers[2].assets (line 35)", "no file"),
    "supply-is-not-files": ("supply: 40", "supply: 41", "tiers[0].supply (line 19)", "matches 40 files"),
    "token-twice": (
        "harbour-lights/proof/*.png",
        "harbour-lights/print/print-0[1-8].png",
        "tiers[2].assets (line 35)",
        "same token twice",
    ),
    "same-files-in-two-tiers": (
        "harbour-lights/shirt/*.png",
        "harbour-lights/print/*.png",
        "tiers[1].assets (line 27)",
        "same token twice",
    ),
    "sku-unknown": ("sku: HL-SHIRT-M", "sku: HL-SHIRT-L", "tiers[1].sku (line 31)", "not among skus"),
    "splits-not-100": ("share_percent: 80}", "share_percent: 81}", "tiers[0].splits (line 22)", "add up to 101"),
    "bad-checksum": (
        "0x70997970C51812dc3A",
        "0x70997970c51812dc3A",
        "tiers[0].splits[0].address (line 23)",
        "checksum",
    ),
    "bad-address": (
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x7099",
        "tiers[0].splits[0].address (line 23)",
        "40 hex digits",
    ),
    "payee-twice": (
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "tiers[0].splits[1].address (line 24)",
        "paid twice",
    ),
    "tier-name-twice": ("name: shirt", "name: print", "tiers[1].name (line 25)", "stands twice"),
    "caps-over-224": ("wallet_cap: 2", "wallet_cap: 223", "tiers (line 15)", "224 bits"),
    "geography-name-twice": ("name: mole", "name: quay", "geographies[1].name (line 52)", "stands twice"),
    "shares-not-100": (
        "    share_percent: 50\n    appliances: 1\n    spares: 1\n  - name: mole",
        "    share_percent: 40\n    appliances: 1\n    spares: 1\n  - name: mole",
        "geographies (line 45)",
        "add up to 90",
    ),
    "nobody-there": (
        "    appliances: 1\n    spares: 1\n  - name: mole",
        "    appliances: 0\n    spares: 0\n  - name: mole",
        "geographies[0].appliances (line 50)",
        "nobody could claim",
    ),
    "ssh-without-site": ("target: docker", "target: ssh", "geographies[0] (line 46)", "needs site"),
    "site-unknown": (
        "target: docker",
        "target: ssh\n    site: atlantis",
        "geographies[0].site (line 49)",
        "no inventory/sites/atlantis.yaml",
    ),
    "site-on-docker": (
        "target: docker",
        "target: docker\n    site: example",
        "geographies[0].site (line 49)",
        "target: ssh",
    ),
    "unknown-target": ("target: docker", "target: cloud", "geographies[0].target (line 48)", "'docker' or 'ssh'"),
    "not-yaml": ("tiers:", "tiers: [", "(line ", "expected"),
    "not-a-mapping": (GOOD, "- a\n- b\n", "(line 1)", "mapping"),
}


def faulty(name: str, folder: Path) -> Path:
    """The drop file with one thing wrong, beside the real assets."""
    old, new, _, _ = FAULTS[name]
    assert old in GOOD, f"{name}: the good file no longer holds {old!r}"
    (folder / "drops").mkdir()
    (folder / "drops" / "harbour-lights").symlink_to(DROPS / "harbour-lights")
    path = folder / "drops" / f"{name}.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    return path


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_is_named_with_path_and_line(name: str, tmp_path: Path) -> None:
    _, _, where, says = FAULTS[name]
    with pytest.raises(FaultyFile) as refused:
        read_drop(faulty(name, tmp_path))
    line = next((line for line in refused.value.message.splitlines() if where in line and says in line), None)
    assert line, f"{where} / {says} is not said in:\n{refused.value.message}"
    assert refused.value.exit_code == 2


def test_there_are_25_of_them() -> None:
    assert len(FAULTS) >= 25


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = faulty("wrong-type", tmp_path)
    path.write_text(path.read_text().replace("symbol: HARBOUR", "symbol: x").replace("chain_id: 31337", "chain_id: 0"))
    with pytest.raises(FaultyFile) as refused:
        read_drop(path)
    assert "3 faults" in refused.value.message


@pytest.mark.parametrize("name", ["unknown-key", "splits-not-100", "not-yaml"])
def test_the_command_line_says_it_in_words_and_makes_nothing(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-m", "infra.ops", "plan", str(faulty(name, tmp_path))]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"EDGEDROP_HOME": str(home)}, check=False, timeout=30
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(home.iterdir()) == []
