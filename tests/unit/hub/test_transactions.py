"""A nonce that is spent: by one of ours whose receipt is not there yet, or by another process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from hexbytes import HexBytes
from web3.eth import Eth
from web3.exceptions import TransactionNotFound

from node_image.hub import transactions

OURS = HexBytes(b"\x01" * 32)


class Node:
    """Counts the nonce up before it shows receipts, as anvil does for a moment and a pool of nodes for longer."""

    def __init__(self, answers: Iterator[dict[str, Any] | None]) -> None:
        self._answers = answers

    def get_transaction_count(self, _sender: str, _block: str) -> int:
        return 8

    def get_transaction_receipt(self, tx: HexBytes) -> dict[str, Any]:
        if (found := next(self._answers)) is None:
            raise TransactionNotFound(str(tx))
        return found


def wait(*answers: dict[str, Any] | None, then: dict[str, Any] | None = None) -> Any:
    def endless() -> Iterator[dict[str, Any] | None]:
        yield from answers
        while True:
            yield then

    return transactions._await_receipt(cast("Eth", Node(endless())), cast("Any", "0x"), 7, [OURS], 5.0)


def test_a_receipt_that_comes_after_its_nonce_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "POLL_S", 0.001)
    assert wait(None, None, None, {"status": 1}) == {"status": 1}


def test_a_nonce_that_stays_spent_with_no_receipt_of_ours_was_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "POLL_S", 0.001)
    monkeypatch.setattr(transactions, "LOST_S", 0.02, raising=False)
    with pytest.raises(transactions._LostRace):
        wait()
