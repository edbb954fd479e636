"""Sell on a drop that stands: who buys what where, at a steady pace, with something happening in its midst."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import httpx

from infra.ops.claimant import Buyer, Got, Wish, send
from infra.plan.model import Geography, Node

BUYERS = 64  # at once

Stock = dict[str, dict[int, int]]  # node -> tier -> tokens left
Wanted = tuple[str, int]  # geography, tier


def share(sellers: Sequence[Node], stock: Stock, claims: int) -> list[Wanted]:
    """What to buy, geography by geography in turn, each time of the tier its seller has most of; taken off the stock.

    Fewer claims than asked for where less is left.
    """
    wanted: list[Wanted] = []
    for node in islice(cycle(sellers), claims * len(sellers)):
        held = stock.get(node.name, {})
        tier = max(held, key=held.__getitem__, default=None)
        if tier is None or held[tier] == 0 or len(wanted) == claims:
            continue
        held[tier] -= 1
        wanted.append((node.geo, tier))
    return wanted


def seller(geo: Geography, dead: frozenset[str] = frozenset()) -> Node:
    """Who sells there: the first node that is not dead; appliances come before spares."""
    return next(node for node in geo.nodes if node.name not in dead)


def sell(
    buyer: Buyer,
    fronts: Mapping[str, str],
    wanted: Sequence[Wanted],
    *,
    per_second: float,
    midway: Callable[[], object] | None = None,
) -> list[Got]:
    """One claim each 1/`per_second` s whatever becomes of those before it; `midway` is done in their midst."""
    wishes = [(geo, buyer.wish(tier)) for geo, tier in wanted]  # signed ahead: signing is no part of the load
    with httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=BUYERS)) as client:

        def buy(geo: str, wish: Wish) -> Got:
            return send(client, fronts[geo], geo, wish)

        with ThreadPoolExecutor(BUYERS) as pool, ThreadPoolExecutor(1) as aside:
            begun, happened = time.monotonic(), None
            bought = []
            for at, (geo, wish) in enumerate(wishes):
                time.sleep(max(0.0, begun + at / per_second - time.monotonic()))  # the load's pace
                if midway and at == len(wishes) // 2:
                    happened = aside.submit(midway)
                bought.append(pool.submit(buy, geo, wish))
            if happened:
                happened.result()
            return [one.result() for one in bought]
