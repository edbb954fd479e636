"""`edgedrop plan`: what a tier costs, in what, before anything is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.home import ROOT
from infra.ops.plan import plan

DROPS = ROOT / "inventory" / "drops"
COIN = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
PRICED = f'price_units: 5250000\n    currency: {{address: "{COIN}", symbol: USDX, decimals: 6}}'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Harbour Lights with its shirts for 5.25 of an ERC-20."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    (tmp_path / "harbour-lights").symlink_to(DROPS / "harbour-lights")
    good = (DROPS / "harbour-lights.yaml").read_text()
    path = tmp_path / "harbour-lights.yaml"
    path.write_text(good.replace("price_gwei: 0\n    wallet_cap: 1", f"{PRICED}\n    wallet_cap: 1"))
    return path


def test_each_price_is_told_in_its_currency(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan(str(file))
    shown = capsys.readouterr().out
    assert [one in shown for one in (" free ", " 5.25 USDX ", " 0.01 ETH ")] == [True] * 3
    assert f"USDX is the ERC-20 {COIN} with 6 decimals" in shown


def test_the_address_is_the_contracts_and_the_name_is_only_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan(str(file), as_json=True)
    told = json.loads(capsys.readouterr().out)
    file.write_text(file.read_text().replace("USDX", "USDY"))
    plan(str(file), as_json=True)
    renamed = json.loads(capsys.readouterr().out)
    file.write_text(file.read_text().replace(COIN, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"))
    plan(str(file), as_json=True)
    other = json.loads(capsys.readouterr().out)
    assert [(tier["price_wei"], tier["currency"]) for tier in told["tiers"]][1] == (5_250_000, COIN)
    assert renamed["currencies"] == [{"address": COIN, "symbol": "USDY", "decimals": 6}]
    assert renamed["contract"] == told["contract"]
    assert other["contract"]["address"] != told["contract"]["address"]
