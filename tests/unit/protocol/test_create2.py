"""EIP-1014's own examples, and EIP-55's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from node_image.hub.reading import Status
from node_image.hub.redemption import MAX_ITEMS, REDEEM_MANY, REDEEM_MANY_WITH, Reason, selector
from node_image.hub.transactions import ERRORS
from node_image.protocol import create2
from node_image.protocol.acts import Holder
from node_image.protocol.eip712 import keccak

ROOT = Path(__file__).parents[3]
ARTIFACT = (ROOT / "contracts" / "build" / "EdgedropToken.json").read_bytes()
ABI = json.loads(ARTIFACT)["abi"]


@dataclass(frozen=True)
class Split:
    address: str
    share_bps: int


@dataclass(frozen=True)
class Tier:
    first_token: int = 1
    supply: int = 40
    wallet_cap: int = 2
    slot_base: int = 0
    price_wei: int = 0
    splits: tuple[Split, ...] = (Split("0x" + "77" * 20, 10_000),)
    max_lease: int = 20
    operator_cap: int = 38
    currency: str = "0x" + "00" * 20


@dataclass(frozen=True)
class Roles:
    owner: str = "0x" + "88" * 20
    operator: str = "0x" + "99" * 20
    hub: str = "0x" + "aa" * 20
    holders: tuple[Holder, ...] = tuple(Holder("0x" + f"b{n}" * 20) for n in range(3))
    royalty_to: str = "0x" + "77" * 20
    royalty_bps: int = 500


def plan(tier: Tier, drop: str = "harbour-lights", roles: Roles = Roles()) -> str:
    return create2.plan_address(
        ARTIFACT,
        drop=drop,
        manifest_digest="0x" + "33" * 32,
        name="Harbour Lights",
        symbol="HARBOUR",
        base_uri="",
        roles=roles,
        tiers=[tier],
    )


def test_addresses_are_those_of_eip_1014(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create2, "DEPLOYER", "0x00000000000000000000000000000000deadbeef")
    salt = bytes.fromhex("00000000000000000000000000000000000000000000000000000000cafebabe")
    found = create2.create2_address(salt, bytes.fromhex("deadbeef"))
    assert found == "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"


@pytest.mark.parametrize(
    "address", ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"]
)
def test_checksums_are_those_of_eip_55(address: str) -> None:
    assert create2.checksummed(bytes.fromhex(address[2:])) == address


def test_another_price_share_or_drop_is_another_contract() -> None:
    other = replace(Tier(), splits=(Split("0x" + "76" * 20, 10_000),))
    assert len({plan(Tier()), plan(replace(Tier(), price_wei=1)), plan(other), plan(Tier(), "other")}) == 4
    assert plan(Tier()) == plan(Tier())


@pytest.mark.parametrize(
    "changed",
    [
        {"owner": "0x" + "11" * 20},
        {"operator": "0x" + "11" * 20},
        {"hub": "0x" + "11" * 20},
        {"holders": (*Roles().holders[:2], Holder("0x" + "bc" * 20))},
        {"holders": (*Roles().holders[:2], Holder("0x" + "b2" * 20, "erc1271"))},
        {"royalty_to": "0x" + "11" * 20},
        {"royalty_bps": 501},
    ],
    ids=["owner", "operator", "hub", "holder", "kind", "royalty", "share"],
)
def test_another_role_is_another_contract(changed: dict[str, Any]) -> None:
    assert plan(Tier(), roles=replace(Roles(), **changed)) != plan(Tier())


@pytest.mark.parametrize("changed", [{"max_lease": 21}, {"operator_cap": 37}, {"currency": "0x" + "11" * 20}])
def test_another_ceiling_or_currency_is_another_contract(changed: dict[str, Any]) -> None:
    assert plan(replace(Tier(), **changed)) != plan(Tier())


def test_the_client_names_calls_and_errors_as_the_contract_does() -> None:
    functions = {selector(_signature(entry)) for entry in ABI if entry["type"] == "function"}
    assert {selector(REDEEM_MANY), selector(REDEEM_MANY_WITH)} <= functions
    ours = set(ERRORS.values())
    assert ours <= {entry["name"] for entry in ABI if entry["type"] == "error"}
    assert {keccak(_signature(entry).encode())[:4] for entry in ABI if entry["type"] == "error"} >= set(ERRORS)


def test_reasons_and_statuses_are_the_contracts() -> None:
    source = (ROOT / "contracts" / "src" / "Types.sol").read_text()
    for name, ours in (("Reason", Reason), ("Status", Status)):
        names = source.partition(f"enum {name} {{")[2].partition("}")[0].split(",")
        assert [one.strip().lower() for one in names] == [one.name.replace("_", "").lower() for one in ours]
    assert f"MAX_ITEMS = {MAX_ITEMS}" in (ROOT / "contracts" / "src" / "EdgedropToken.sol").read_text()


def test_the_committed_bytecode_is_of_the_committed_sources() -> None:
    for name, digest in json.loads(ARTIFACT)["sources"].items():
        found = hashlib.sha256((ROOT / "contracts" / name).read_bytes()).hexdigest()
        assert found == digest, f"{name} changed: run node contracts/build.mjs"


def test_the_contract_fits_into_a_block_explorer_s_limit() -> None:
    assert json.loads(ARTIFACT)["deployedSize"] < 24_576  # EIP-170


def _signature(entry: dict[str, object]) -> str:
    return f"{entry['name']}({','.join(_kind(part) for part in entry['inputs'])})"  # type: ignore[attr-defined]


def _kind(part: dict[str, object]) -> str:
    kind = str(part["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_kind(each) for each in part["components"])  # type: ignore[attr-defined]
    return f"({inner}){kind.removeprefix('tuple')}"
