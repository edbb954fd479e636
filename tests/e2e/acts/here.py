"""A command on a grant of its own, typed in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from node_image.hub.chain import Status
from tests.e2e.contract_world import (
    FREE,
    NODE,
    TIERS,
    World,
    opening,
)
from tests.typed import Typed, edgedrop


class Here:
    """A grant of its own for each test, in a free part of the free tier."""

    next_start = 1

    def __init__(self, url: str, drop: World) -> None:
        self.url, self.drop = url, drop
        self.where = ("--rpc", url, "--contract", drop.contract)

    def grant(self, quota: int = 10, redeem_by: int = 2**40 - 1, key: PrivateKey = NODE) -> str:
        """An open one."""
        start, Here.next_start = Here.next_start, Here.next_start + quota
        return self.drop.open(f"node-{start}", [opening(FREE, start, quota, 0, redeem_by)], key)

    def status(self, grant: str) -> Status:
        return self.drop.chain.status(self.drop.contract, grant)

    def type(self, command: str, grant: str, *words: object) -> Typed:
        """A command on the grant, on a machine that knows no drop."""
        return edgedrop(command, grant, *self.where, *words)


def signed_by(keys: list[Path], *numbers: int) -> list[object]:
    return [word for number in numbers for word in ("--key", keys[number])]


def highs(free: int) -> list[int]:
    """By tier, where only the free one gave tokens."""
    return [free, *(0 for _ in TIERS[1:])]


def anchored(here: Here, grant: str, vouchers: list[dict[str, Any]], high: int) -> dict[str, Any]:
    """The first voucher with its checkpoint, which the hub has anchored."""
    return here.drop.anchor(grant, highs(high), vouchers)[0]
