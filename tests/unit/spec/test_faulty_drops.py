"""Every way to get a drop file wrong: its own sentence, its dotted path, its line, exit code 2, nothing created."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra.errors import FaultyFile
from infra.home import ROOT
from infra.ops.__main__ import main
from infra.spec import read_drop

DROPS = ROOT / "inventory" / "drops"
GOOD = (DROPS / "harbour-lights.yaml").read_text()

ONE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TWO = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
THREE = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
ZERO = "0x" + "00" * 20


def holders(*addresses: str) -> str:
    """Named before the leases."""
    return "holders:\n" + "".join(f'  - {{address: "{address}"}}\n' for address in addresses) + "leases:\n"


def royalty(to: str, percent: int) -> str:
    """Named before the leases."""
    return f'royalty: {{address: "{to}", share_percent: {percent}}}\nleases:\n'


def coin(units: str = "price_units: 5000000", **told: object) -> str:
    """A tier's price in an ERC-20."""
    told = {"address": f'"{THREE}"', "symbol": "USDX", "decimals": 6} | told
    return f"{units}\n    currency: {{{', '.join(f'{key}: {value}' for key, value in told.items() if value != '')}}}"


def spares(told: str, **rules: object) -> str:
    """The quay's spares, and what rules those above `min`."""
    ruled = f"\n    autoscale: {{{', '.join(f'{key}: {value}' for key, value in rules.items())}}}" if rules else ""
    return f"spares: {told}{ruled}\n    fronts"


SPARES = "spares: 1\n    fronts"
PRICE = "price_gwei: 10000000"
# From one tier's price to the next one's: both are of an ERC-20 there.
PRICES = GOOD[GOOD.index("price_gwei: 0\n    wallet_cap: 1") : GOOD.index(PRICE) + len(PRICE)]


def both(one: str, other: str) -> str:
    """Two tiers with these prices."""
    return one + PRICES[len("price_gwei: 0") : -len(PRICE)] + other


def boxes(target: str, *lines: str) -> str:
    """Named by a geography, from line 50 on."""
    return f"target: {target}\n    boxes:\n" + "\n".join(f"      {line}" for line in lines)


def lends(to: str) -> tuple[str, str]:
    """In place of the quay's second front."""
    return "    fronts: 2", f"    lends_spares_to: [{to}]"


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
    "price-missing": (PRICE, "# none", "tiers[2].price_gwei (line 33)", "is missing"),
    "price-in-units-of-nothing": (PRICE, "price_units: 5", "tiers[2].price_units (line 37)", "goes with a currency"),
    "price-of-a-currency-missing": (PRICE, coin("# none"), "tiers[2].price_units (line 33)", "in its smallest unit"),
    "price-of-the-coin-with-a-currency": (PRICE, coin(PRICE), "tiers[2].price_gwei (line 37)", "is price_units"),
    "price-of-a-currency-zero": (PRICE, coin("price_units: 0"), "tiers[2].price_units (line 37)", "is 1 or more"),
    "price-over-88-bits": (PRICE, coin(f"price_units: {2**88}"), "tiers[2].price_units (line 37)", "88 bits"),
    "currency-nowhere": (PRICE, coin(address=""), "tiers[2].currency.address (line 38)", "is missing"),
    "currency-zero": (PRICE, coin(address=f'"{ZERO}"'), "tiers[2].currency.address (line 38)", "zero address"),
    "currency-bad-checksum": (
        PRICE,
        coin(address=f'"{THREE.lower()}"'),
        "tiers[2].currency.address (line 38)",
        "checksum",
    ),
    "currency-nameless": (PRICE, coin(symbol=""), "tiers[2].currency.symbol (line 38)", "is missing"),
    "currency-named-in-words": (PRICE, coin(symbol="US dollars"), "tiers[2].currency.symbol (line 38)", "1 to 11"),
    "currency-without-decimals": (PRICE, coin(decimals=""), "tiers[2].currency.decimals (line 38)", "is missing"),
    "currency-too-fine": (PRICE, coin(decimals=37), "tiers[2].currency.decimals (line 38)", "less than or equal"),
    "currency-with-another-key": (PRICE, coin(name="X"), "tiers[2].currency.name (line 38)", "no such key"),
    "currency-in-two-ways": (PRICES, both(coin(), coin(decimals=18)), "tiers[2].currency (line 39)", "another way"),
    "currencies-of-one-name": (
        PRICES,
        both(coin(), coin(address=f'"{ONE}"')),
        "tiers[2].currency.symbol (line 39)",
        "tell them apart",
    ),
    "zero-supply": ("supply: 40", "supply: 0", "tiers[0].supply (line 19)", "greater than or equal"),
    "name-with-capitals": ("name: harbour-lights", "name: Harbour", "name (line 2)", "small letters"),
    "release-by-half": ("symbol: HARBOUR", "symbol: HARBOUR\nrelease: abc123", "release (line 5)", "64 hex digits"),
    "symbol-in-small": ("symbol: HARBOUR", "symbol: harbour", "symbol (line 4)", "capitals"),
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
    "asset-outside": ("harbour-lights/proof/*.png", "../../*.md", "tiers[2].assets (line 35)", "no .."),
    "asset-pattern-empty": ("harbour-lights/proof/*.png", '""', "tiers[2].assets (line 35)", "is a pattern"),
    "year-out-of-range": (
        "opens_at: 2026-01-01T00:00:00Z",
        "opens_at: 0001-01-01T00:00:00+23:59",
        "window.opens_at (line 8)",
        "out of range",
    ),
    "time-as-number": ("2026-01-01T00:00:00Z", "1767225600", "window.opens_at (line 8)", "ISO 8601"),
    "key-twice": ("symbol: HARBOUR", "symbol: HARBOUR\nsymbol: HARBOUR", "(line 5)", "duplicate key"),
    "no-tiers": (GOOD[GOOD.index("tiers:") : GOOD.index("leases:")], "tiers: []\n", "tiers (line 15)", "is empty"),
    "sku-code-a-list": ("HL-SHIRT-M: T", "? [a, b]\n  : T", "skus.('a', 'b') (line 1", "valid string"),
    "sku-code-in-small": ("HL-SHIRT-M: T", "hl-shirt: T", "skus.hl-shirt (line 13)", "capitals"),
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
    "holders-missing-on-a-real-chain": ("chain_id: 31337", "chain_id: 1", "holders (line 1)", "are missing"),
    "holders-two": ("leases:\n", holders(ONE, TWO), "holders (line 41)", "are 2; a drop has 3"),
    "holder-twice": ("leases:\n", holders(ONE, TWO, ONE), "holders[2].address (line 44)", "stands twice"),
    "holder-zero": ("leases:\n", holders(ONE, TWO, ZERO), "holders[2].address (line 44)", "zero address"),
    "holder-bad-checksum": (
        "leases:\n",
        holders(ONE, TWO, TWO.replace("C", "c")),
        "holders[2].address (line 44)",
        "checksum",
    ),
    "holder-of-no-kind": (
        "leases:\n",
        holders(ONE, TWO, f'{THREE}", kind: "trezor'),
        "holders[2].kind (line 44)",
        "'ecdsa' or 'erc1271'",
    ),
    "holder-with-another-key": (
        "leases:\n",
        holders(ONE, TWO, f'{THREE}", colour: "red'),
        "holders[2].colour (line 44)",
        "no such key",
    ),
    "royalty-to-nobody": ("leases:\n", royalty(ZERO, 5), "royalty.address (line 41)", "zero address"),
    "royalty-over-half": ("leases:\n", royalty(ONE, 51), "royalty.share_percent (line 41)", "less than or equal"),
    "royalty-of-nothing": ("leases:\n", royalty(ONE, 0), "royalty.share_percent (line 41)", "greater than or equal"),
    "cloud-over-half": (
        "cloud_percent: 5",
        "cloud_percent: 51",
        "leases.cloud_percent (line 44)",
        "keeps at least half",
    ),
    "cloud-below-nothing": ("cloud_percent: 5", "cloud_percent: -1", "leases.cloud_percent (line 44)", "is 0 to 50"),
    "cloud-in-words": ("cloud_percent: 5", "cloud_percent: some", "leases.cloud_percent (line 44)", "valid integer"),
    "geography-name-twice": ("name: mole", "name: quay", "geographies[1].name (line 54)", "stands twice"),
    "shares-not-100": (
        "    share_percent: 50\n    appliances: 1\n    spares: 1\n    fronts",
        "    share_percent: 40\n    appliances: 1\n    spares: 1\n    fronts",
        "geographies (line 46)",
        "add up to 90",
    ),
    "three-fronts": ("fronts: 2", "fronts: 3", "geographies[0].fronts (line 53)", "less than or equal to 2"),
    "lends-to-nobody": (*lends("atoll"), "geographies[0].lends_spares_to[0] (line 53)", "there are quay, mole"),
    "lends-to-itself": (*lends("quay"), "geographies[0].lends_spares_to[0] (line 53)", "is itself"),
    "lends-twice": (*lends("mole, mole"), "geographies[0].lends_spares_to[1] (line 53)", "mole stands twice"),
    "lends-what-it-has-not": (
        "    spares: 1\n    fronts: 2",
        "    spares: 0\n    lends_spares_to: [mole]",
        "geographies[0].lends_spares_to (line 53)",
        "there is nothing to lend",
    ),
    "lends-and-has-no-address-left": (
        "    appliances: 1\n    spares: 1\n    fronts: 2",
        "    appliances: 31\n    spares: 200\n    lends_spares_to: [mole]",
        "geographies[0].lends_spares_to (line 53)",
        "leaves no address",
    ),
    "nobody-there": (
        "    appliances: 1\n    spares: 1\n    fronts",
        "    appliances: 0\n    spares: 0\n    fronts",
        "geographies[0].appliances (line 51)",
        "nobody could claim",
    ),
    "spares-below-nothing": (SPARES, spares("-1"), "geographies[0].spares (line 52)", "is a count from 0 to 200"),
    "spares-in-words": (SPARES, spares("some"), "geographies[0].spares (line 52)", "or {min: .., max: ..}"),
    "spares-yes": (SPARES, spares("yes"), "geographies[0].spares (line 52)", "is a count from 0 to 200"),
    "spares-without-max": (SPARES, spares("{min: 1}"), "geographies[0].spares.max (line 52)", "is missing"),
    "spares-unknown-key": (
        SPARES,
        spares("{min: 1, max: 1, most: 2}"),
        "geographies[0].spares.most (line 52)",
        "no such key",
    ),
    "max-below-min": (
        SPARES,
        spares("{min: 2, max: 1}", budget_spare_hours=1),
        "geographies[0].spares.max (line 52)",
        "is 1, less than min, which is 2",
    ),
    "spares-without-a-budget": (
        SPARES,
        spares("{min: 1, max: 3}"),
        "geographies[0].spares.max (line 52)",
        "is above min: autoscale: must say what those above may cost",
    ),
    "a-budget-for-nobody": (
        SPARES,
        spares("1", budget_spare_hours=6),
        "geographies[0].autoscale (line 53)",
        "rules the spares above min, and there are none",
    ),
    "budget-missing": (
        SPARES,
        spares("{min: 1, max: 3}", ahead_minutes=5),
        "geographies[0].autoscale.budget_spare_hours (line 53)",
        "is missing",
    ),
    "budget-of-nothing": (
        SPARES,
        spares("{min: 1, max: 3}", budget_spare_hours=0),
        "geographies[0].autoscale.budget_spare_hours (line 53)",
        "greater than 0",
    ),
    "budget-that-is-no-number": (
        SPARES,
        spares("{min: 1, max: 3}", budget_spare_hours=".nan"),
        "geographies[0].autoscale.budget_spare_hours (line 53)",
        "less than or equal to 100000",
    ),
    "idle-above-busy": (
        SPARES,
        spares("{min: 1, max: 3}", budget_spare_hours=6, busy_percent=30, idle_percent=30),
        "geographies[0].autoscale.idle_percent (line 53)",
        "is not below busy_percent",
    ),
    "no-cool-down": (
        SPARES,
        spares("{min: 1, max: 3}", budget_spare_hours=6, cool_down_minutes=0),
        "geographies[0].autoscale.cool_down_minutes (line 53)",
        "greater than 0",
    ),
    "elastic-without-its-box": (
        "target: docker\n    share_percent: 50\n    appliances: 1\n    spares: 1",
        boxes("ssh", "quay-appliance1: old-quay/rack1-1", "quay-spare1: old-quay/rack1-2")
        + "\n    share_percent: 50\n    appliances: 1\n    spares: {min: 1, max: 2}\n"
        + "    autoscale: {budget_spare_hours: 6}",
        "geographies[0].boxes (line 50)",
        "of quay-spare2 is not said",
    ),
    "ssh-without-boxes": (
        "target: docker",
        "target: ssh",
        "geographies[0] (line 47)",
        "of quay-appliance1, quay-spare1 is not said",
    ),
    "boxes-on-docker": (
        "target: docker",
        boxes("docker", "quay-appliance1: old-quay/rack1-1"),
        "geographies[0].boxes (line 50)",
        "go with target: ssh",
    ),
    "a-node-without-its-box": (
        "target: docker",
        boxes("ssh", "quay-appliance1: old-quay/rack1-1"),
        "geographies[0].boxes (line 50)",
        "of quay-spare1 is not said",
    ),
    "box-of-no-node": (
        "target: docker",
        boxes("ssh", "quay-appliance1: old-quay/rack1-1", "quay-spare1: old-quay/rack1-2", "mole-spare1: old-quay/x"),
        "geographies[0].boxes.mole-spare1 (line 53)",
        "is no node of quay; its nodes are quay-appliance1, quay-spare1",
    ),
    "box-of-no-site": (
        "target: docker",
        boxes("ssh", "quay-appliance1: atlantis/rack1-1", "quay-spare1: old-quay/rack1-2"),
        "geographies[0].boxes.quay-appliance1 (line 51)",
        "no inventory/sites/atlantis.yaml",
    ),
    "box-unknown": (
        "target: docker",
        boxes("ssh", "quay-appliance1: old-quay/rack1-1", "quay-spare1: old-quay/rack9"),
        "geographies[0].boxes.quay-spare1 (line 52)",
        "site old-quay has no box rack9; its boxes are rack1-1, rack1-2",
    ),
    "box-twice": (
        "target: docker",
        boxes("ssh", "quay-appliance1: old-quay/rack1-1", "quay-spare1: old-quay/rack1-1"),
        "geographies[0].boxes.quay-spare1 (line 52)",
        "old-quay/rack1-1 is quay-appliance1's already",
    ),
    "box-without-site": (
        "target: docker",
        boxes("ssh", "quay-appliance1: rack1-1", "quay-spare1: old-quay/rack1-2"),
        "geographies[0].boxes.quay-appliance1 (line 51)",
        "a box is <site>/<box>",
    ),
    "site-without-box": (
        "target: docker",
        "target: ssh\n    site: old-quay",
        "geographies[0].site (line 50)",
        "no such key",
    ),
    "unknown-target": ("target: docker", "target: cloud", "geographies[0].target (line 49)", "'docker' or 'ssh'"),
    "not-yaml": ("tiers:", "tiers: [", "(line ", "expected"),
    "not-a-mapping": (GOOD, "- a\n- b\n", "(line 1)", "mapping"),
}


def faulty(name: str, folder: Path) -> Path:
    """The drop file with one thing wrong, beside the real assets."""
    old, new, _, _ = FAULTS[name]
    assert old in GOOD, f"{name}: the good file no longer holds {old!r}"
    (folder / "drops").mkdir()
    (folder / "drops" / "harbour-lights").symlink_to(DROPS / "harbour-lights")
    (folder / "sites").mkdir()
    (folder / "sites" / "old-quay.yaml").symlink_to(ROOT / "inventory" / "sites" / "old-quay.yaml")
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
    """Those of single values, and those that values tell together where these are sound."""
    path = faulty("wrong-type", tmp_path)
    text = path.read_text().replace("symbol: HARBOUR", "symbol: x").replace("chain_id: 31337", "chain_id: 0")
    text = text.replace("closes_at: 2031-", "closes_at: 2025-").replace(
        "sku: HL-SHIRT-M", "sku: HL-X\n    colour: blue"
    )
    path.write_text(text)
    with pytest.raises(FaultyFile) as refused:
        read_drop(path)
    told = refused.value.message
    assert "6 faults" in told
    for place in ("symbol", "chain_id", "tiers[0].supply", "tiers[1].colour", "tiers[1].sku", "window.closes_at"):
        assert f"\n  {place} (line " in told


def test_a_list_that_misses_an_unsound_entry_is_not_added_up(tmp_path: Path) -> None:
    path = faulty("unknown-target", tmp_path)
    with pytest.raises(FaultyFile) as refused:
        read_drop(path)
    assert "1 fault\n" in refused.value.message


def test_no_value_is_ever_repeated(tmp_path: Path) -> None:
    path = faulty("unknown-key", tmp_path)
    secret = "hunter2-secret"
    path.write_text(GOOD.replace("symbol: HARBOUR", f"symbol: {secret}\napi_token: {secret}\nchain_key: [{secret}]"))
    with pytest.raises(FaultyFile) as refused:
        read_drop(path)
    assert secret not in refused.value.message + refused.value.hint
    path.write_text(GOOD.replace("symbol: HARBOUR", f"password: {secret}\npassword: {secret}-2"))
    with pytest.raises(FaultyFile) as refused:
        read_drop(path)
    assert secret not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01", b"\xff\xfe\x00", b"- - -", b"a: &a [*a]", b"? [a]\n: b", b"1: 2"]
)
def test_what_is_no_drop_file_at_all_is_refused_in_words(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(FaultyFile):
        read_drop(path)


def test_a_faulty_site_is_refused_as_itself(tmp_path: Path) -> None:
    path = faulty("box-of-no-site", tmp_path)
    (tmp_path / "sites" / "atlantis.yaml").write_text("name: atlantis\nboxes:\n  - {name: a, address: 10.0.0.300}\n")
    with pytest.raises(FaultyFile) as refused:
        read_drop(path)
    told = refused.value.message.splitlines()
    assert told[0] == "atlantis.yaml has 2 faults"
    assert told[1].strip().startswith("boxes[0].address (line 3): ")
    assert told[2].strip() == "boxes[0].host_key (line 3): is missing"


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_the_command_line_says_it_in_words_and_makes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["edgedrop", "plan", str(faulty(name, tmp_path))])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.err.startswith("error: ")
    assert FAULTS[name][2] in told.err
    assert "\nhint: " in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert not (tmp_path / "home").exists()
