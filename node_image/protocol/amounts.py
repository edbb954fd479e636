"""Amounts as people read them: exact, without zeros at the end."""

from __future__ import annotations

COIN, COIN_DECIMALS = "ETH", 18  # of the chain itself


def amount(units: int, symbol: str = COIN, decimals: int = COIN_DECIMALS) -> str:
    """So many of a currency's smallest unit: 5000000 of one with six decimals is "5 USDX"."""
    whole, rest = divmod(units, 10**decimals)
    digits = f"{rest:0{decimals}}".rstrip("0") if rest else ""
    return f"{whole}{'.' if digits else ''}{digits} {symbol}"
