"""Amounts in words: exact, whatever the size."""

import pytest

from node_image.protocol.amounts import amount


@pytest.mark.parametrize(
    ("units", "told", "says"),
    [
        (5_000_000, ("USDX", 6), "5 USDX"),
        (5_250_000, ("USDX", 6), "5.25 USDX"),
        (1, ("USDX", 6), "0.000001 USDX"),
        (7, ("PTS", 0), "7 PTS"),
        (10**16, (), "0.01 ETH"),
        (2**88 - 1, (), "309485009.821345068724781055 ETH"),
        (0, (), "0 ETH"),
    ],
)
def test_an_amount_is_told_exactly(units: int, told: tuple[str, int], says: str) -> None:
    assert amount(units, *told) == says
