"""A drop's ERC-20s before anything is deployed: what is missing or told wrongly is said, and silence is not."""

import pytest

from infra.errors import FaultyFile
from infra.provision.currencies import check_currencies
from node_image.protocol.facts import CurrencyFacts, TierFacts
from tests.unit.provision.test_onchain import Node, node

__all__ = ["node"]  # the fixture

COIN = CurrencyFacts("0x" + "11" * 20, "USDX", 6)
TIERS = (TierFacts(0, "free", "Free", 0, 1, 0), TierFacts(1, "dear", "Dear", 5_000_000, 1, 1, currency=COIN))


def says(monkeypatch: pytest.MonkeyPatch, result: str) -> None:
    """The chain's answer to whatever it is asked."""
    monkeypatch.setattr(Node, "said", b'{"jsonrpc":"2.0","id":1,"result":"%s"}' % result.encode())


def test_what_is_no_contract_is_told_with_its_place(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "0x")
    with pytest.raises(FaultyFile, match=r"tiers\[1\]\.currency: 0x1111.* is no contract") as refused:
        check_currencies(node, TIERS)
    assert "nothing was deployed" in refused.value.hint
    check_currencies(node, TIERS[:1])


def test_other_decimals_than_the_token_has_are_another_price(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, f"0x{18:064x}")
    with pytest.raises(FaultyFile, match="has 18 decimals, not 6"):
        check_currencies(node, TIERS)
    says(monkeypatch, f"0x{6:064x}")
    check_currencies(node, TIERS)
    says(monkeypatch, "0x6080")  # code, and no decimals() in it: EIP-20 leaves that open
    check_currencies(node, TIERS)


def test_a_silent_chain_says_nothing_of_it() -> None:
    check_currencies("http://127.0.0.1:1", TIERS)
