"""An appliance goes wrong under 300 claims/s: what its buyers see, beside the same with HAProxy's own default checks.

Real mints and signers, one geography, this machine. `gap_ms` is the longest that any one buyer waited for its voucher,
`failed` the tries that failed in buyers' eyes, `double_redeemed` the claims that both nodes answered and that redeemed
twice on chain.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from tests.bench.failover_load import sell
from tests.bench.failover_node import Node
from tests.bench.failover_world import Pair, World, wishes, world
from tests.bench.measure import Measure
from tests.e2e.contract_world import anvil

FAULTS = ("killed", "hung", "disconnected", "slowed", "disk_filled")
CABLED = ("disconnected", "slowed")
PER_SECOND, SECONDS, STRIKES_S = 300, 8, 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one run; `doubles` are the claims that both nodes answered."""

    gap_ms: float
    failed: int
    lost: int
    doubles: int
    redeemed_twice: int


def run() -> list[Measure]:
    """Each fault with our front, then with a plain one."""
    busy = f"load average before {os.getloadavg()[0]:.1f}"
    found: list[Measure] = []
    with anvil() as url:
        there = world(url)
        for number, fault in enumerate(FAULTS):
            ours, plain = (one_run(there, 2 * number + at, fault, default_checks=bool(at)) for at in (0, 1))
            load = f"{PER_SECOND * SECONDS} claims at {PER_SECOND}/s, {{}} answered by both, {busy}"
            told = load.format(f"{ours.doubles} ({plain.doubles})")
            found += [
                Measure(f"{fault}_gap_ms", "ms", ours.gap_ms, plain.gap_ms, told),
                Measure(f"{fault}_failed", "tries", ours.failed, plain.failed, told),
                Measure(f"{fault}_double_redeemed", "claims", ours.redeemed_twice, plain.redeemed_twice, told),
            ]
            print(f"{fault}: ours {ours}, plain {plain}", file=sys.stderr, flush=True)  # noqa: T201  for who waits
    return found


def one_run(there: World, number: int, fault: str, *, default_checks: bool) -> Outcome:
    """From nodes that are well to what the chain says of it."""
    cable = fault in CABLED
    with there.geography(number, cable=cable, default_checks=default_checks) as (appliance, spare, port):
        wanted = wishes(appliance.drop, PER_SECOND * SECONDS)
        seen = sell(port, wanted, PER_SECOND, STRIKES_S, lambda: appliance.strike(fault))
        appliance.mend(fault)
        doubles = _answered_twice(appliance, spare)
        taken = there.redeem(doubles)
    if 0 in taken:
        raise RuntimeError(f"{fault}: of a claim that both nodes answered the chain takes neither voucher")
    return Outcome(
        gap_ms=max(one.waited_s for one in seen) * 1000,
        failed=sum(one.failed for one in seen),
        lost=sum(not one.got for one in seen),
        doubles=len(doubles),
        redeemed_twice=sum(count > 1 for count in taken),
    )


def _answered_twice(appliance: Node, spare: Node) -> list[Pair]:
    """Both vouchers of each claim that stands in both journals and was signed in both."""
    both = sorted(appliance.claims() & spare.claims())
    pairs = ((appliance.voucher(claim_id), spare.voucher(claim_id)) for claim_id in both)
    return [(one, other) for one, other in pairs if one and other]
