"""`edgedrop verify`: a good voucher says what was checked; anything else ends with its own exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.errors import BadUsage, FaultyFile, NotVerified
from infra.home import ROOT
from infra.ops.verify import on_chain, verify
from node_image.hub.chain import Chain
from node_image.protocol.errors import ProtocolError
from node_image.protocol.voucher import Voucher

VECTOR = json.loads((ROOT / "tests" / "vectors" / "voucher.json").read_text())["vouchers"][0]
VOUCHER = msgspec.convert(VECTOR["voucher"], Voucher)


class ToldChain(Chain):
    """A chain whose answers stand in the test."""

    def __init__(
        self, *, key: str | None = VECTOR["key"], start: int = 100, quota: int = 10, chain_id: int = 31337
    ) -> None:
        self.key, self.lease, self.id = key, {"start": start, "quota": quota}, chain_id

    def chain_id(self) -> int:
        return self.id

    def grant_key(self, contract: str, grant_id: str, *, final: bool = False) -> str | None:
        assert (contract, grant_id, final) == (VOUCHER.contract, VOUCHER.voucher.grant_id, False)
        return self.key

    def lease_of(self, contract: str, grant_id: str, tier: int) -> dict[str, int]:
        assert (contract, grant_id, tier) == (VOUCHER.contract, VOUCHER.voucher.grant_id, 0)
        return self.lease

    def minted_token_ids(self, contract: str, since: int = 0) -> set[int]:
        assert (contract, since) == (VOUCHER.contract, 0)
        return {100}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The voucher, as a buyer has it."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    path = tmp_path / "voucher.json"
    path.write_text(json.dumps(VECTOR["voucher"]))
    return path


def test_with_the_key_it_says_what_it_could_not_check(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(file, rpc=None, key=VECTOR["key"], as_json=True)
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["token_id"], told["redeemed"]) == (True, "100", None)
    assert len(told["checked"]) == 2
    assert len(told["not_checked"]) == 4


def test_with_the_chain_only_the_contract_is_taken_on_trust() -> None:
    verdict = on_chain(VOUCHER, ToldChain())
    assert verdict.redeemed is True
    assert len(verdict.not_checked) == 1


@pytest.mark.parametrize(
    ("chain", "says"),
    [
        (ToldChain(key=None), "no such grant"),
        (ToldChain(key="0x" + "11" * 20), "not by the grant's key"),
        (ToldChain(quota=0), "not in the grant's lease"),
        (ToldChain(start=101), "not in the grant's lease"),
        (ToldChain(chain_id=1), "is of chain 1"),
    ],
)
def test_what_the_chain_does_not_bear_out(chain: ToldChain, says: str) -> None:
    with pytest.raises((ProtocolError, ValueError), match=says):
        on_chain(VOUCHER, chain)


def test_another_key_is_6(file: Path) -> None:
    with pytest.raises(NotVerified, match="does not verify") as refused:
        verify(file, rpc=None, key="0x" + "11" * 20)
    assert refused.value.exit_code == 6


def test_no_voucher_is_2(file: Path) -> None:
    file.write_text("{}")
    with pytest.raises(FaultyFile):
        verify(file, rpc=None, key=VECTOR["key"])


@pytest.mark.parametrize(
    ("rpc", "key"),
    [(None, None), (None, "0x12"), (None, "not a key"), (None, VECTOR["key"].swapcase()), ("http://x", VECTOR["key"])],
)
def test_what_is_asked_wrongly_is_2(file: Path, rpc: str | None, key: str | None) -> None:
    with pytest.raises(BadUsage):
        verify(file, rpc=rpc, key=key)
