"""What the contract's calls cost on anvil, in gas: `python -m tests.bench contract`.

The baseline of a redemption is the same token redeemed by a call of its own from a batch of one: the bench's own first
row. That of an act is a plain transfer of ether (21,000).
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

from node_image.hub.redemption import Outcome
from node_image.protocol.acts import AddRoots, Freeze, OpenGrant, Revoke
from node_image.protocol.lease import Lease
from tests.bench.measure import Measure
from tests.e2e.contract_world import (
    ARTIFACT,
    FREE,
    HUB,
    NODE,
    PAID,
    RELAYER,
    World,
    address,
    anvil,
    opening,
    world,
)

TRANSFER = 21_000.0
CALLS = (1, 10, 50)
BATCHES = (1, 64, 512)
FOREVER = 2**40 - 1


def run() -> list[Measure]:
    """Every figure on one fresh chain."""
    with anvil() as url:
        drop = world(url)
        print(conditions(drop))  # noqa: T201  without them a figure says nothing
        redeeming = Redeeming(drop)
        first = redeeming.gas(1, 1, repeat=False)
        rows = [
            Measure(f"redeem_{who}_batch{size}_call{count}_gas_per_token", "gas", gas, first, load(count, size, who))
            for who, size, count in itertools.product(("new", "repeat"), BATCHES, CALLS)
            for gas in [redeeming.gas(count, size, repeat=who == "repeat")]
        ]
        return [*headline(rows, first), *rows, *acts(drop)]


def load(count: int, size: int, who: str) -> str:
    """In words."""
    return f"{count} in one call, each with a proof of a batch of {size}, to a {who} holder"


def headline(rows: Sequence[Measure], first: float) -> list[Measure]:
    """The two figures that have an aim."""
    found = {row.measure: row for row in rows}
    one, fifty = found["redeem_new_batch64_call1_gas_per_token"], found["redeem_new_batch64_call50_gas_per_token"]
    return [
        Measure("redeem_new_holder_batch64_gas", "gas", one.value, first, f"{one.load}; aim: below 95,000"),
        Measure("redeem_call50_gas_per_token", "gas", fifty.value, first, f"{fifty.load}; aim: below 60,000"),
    ]


def conditions(drop: World) -> str:
    """What a figure in gas depends on."""
    built = json.loads(ARTIFACT.read_bytes())
    info = drop.ask("anvil_nodeInfo", [])
    settings = json.dumps({key: built["settings"][key] for key in ("viaIR", "optimizer", "evmVersion")})
    return (
        f"hardfork {info['hardFork']}, solc {built['solc']}, settings {settings}, "
        f"{built['deployedSize']} bytes deployed; addresses as dense as real ones"
    )


class Redeeming:
    """Batches to holders with addresses as dense as real ones: a zero byte of calldata is cheaper."""

    def __init__(self, drop: World) -> None:
        self.drop = drop
        self.grant = drop.open("bench", [opening(FREE, 1, 400), opening(PAID, 1001, 100)])
        self.batches = itertools.count(1_000)

    def gas(self, count: int, size: int, *, repeat: bool) -> float:
        """A token's part of a call; the chain is put back after it, so that each call meets the same state."""
        fresh = self.drop.snapshot()
        holders = [holder(n) for n in range(count)]
        if repeat:
            self._redeem([(FREE, 300 + n, to, 1) for n, to in enumerate(holders)])
        asked = [(FREE, n, to, 0) for n, to in enumerate(holders)]
        padding = [(FREE, n % 300, holder(1_000 + n), 0) for n in range(count, max(size, count))]
        if size >= count:
            outcome = self._redeem(asked + padding, count)
        else:  # batches of one: each token brings its own
            single = [self.drop.vouchers(self.grant, [one], batch_seq=next(self.batches))[0] for one in asked]
            outcome = self.drop.chain.redeem_many(RELAYER, self.drop.contract, single)
        assert len(outcome.redeemed) == count, outcome.skipped
        self.drop.restore(fresh)
        return outcome.gas_used / count

    def _redeem(self, asked: list[tuple[int, int, str, int]], count: int | None = None) -> Outcome:
        batch = self.drop.vouchers(self.grant, asked, batch_seq=next(self.batches))
        return self.drop.chain.redeem_many(RELAYER, self.drop.contract, batch[:count])


def acts(drop: World) -> list[Measure]:
    """What the operator, the hub and the holders pay."""
    held, closing = (
        drop.open(f"act {n}", [opening(FREE, 410 + 100 * n, 100), opening(PAID, 1101 + 50 * n, 50)]) for n in range(2)
    )
    root, proven = drop.checkpoint(drop.vouchers(held, [(FREE, 0, holder(9_000), 0)]))
    supplement = {"roots": ("0x" + "05" * 32,), "high_seqs": (0, 0, 0, 0)}
    highs = (50, 0, 0, 0)
    signatures = drop.close_signatures(closing, highs, NODE, HUB)
    told = {"key": address(NODE), "leases": (Lease(FREE, 951, 50, 0, FOREVER),)}
    chain, contract = drop.chain, drop.contract
    steps: tuple[tuple[str, str, Callable[[], Any]], ...] = (
        ("anchor", "one root, a first tier covered", lambda: chain.anchor(HUB, contract, held, root, (1, 0, 0, 0))),
        ("close_out", "100 tokens freed", lambda: chain.close_out(RELAYER, contract, closing, highs, signatures)),
        ("freeze_by_act", "a holder's signature", lambda: drop.do(Freeze, held, 0)),
        ("supplement_2_of_3", "one root", lambda: drop.do(AddRoots, held, 0, 1, **supplement)),
        ("redeem_proven", "one of a frozen grant", lambda: chain.redeem_many(RELAYER, contract, proven)),
        ("revoke_2_of_3", "one grant", lambda: drop.do(Revoke, held, 1, 2)),
        ("open_2_of_3", "one lease of 50", lambda: drop.do(OpenGrant, "0x" + "0f" * 32, 0, 1, **told)),
    )
    return [Measure(f"{name}_gas", "gas", used(drop, step), TRANSFER, load) for name, load, step in steps]


def used(drop: World, step: Callable[[], Any]) -> float:
    """The gas of the one transaction that the step sends."""
    before = drop.chain.block()[0]
    step()
    assert drop.chain.block()[0] == before + 1
    return int(drop.ask("eth_getBlockByNumber", ["latest", False])["gasUsed"], 16)


def holder(number: int) -> str:
    """A buyer whose address has few zero bytes."""
    return "0x" + hashlib.sha256(f"{number}".encode()).hexdigest()[:40]
