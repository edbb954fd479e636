"""More claims than the appliance can sign: the spare takes what would wait, and nothing once they are fewer again.

The appliance's HSM signs 16 claims in 70 ms, so 228 a second; all else is real, on this machine. The baseline of
`p99_ms` is the same at 70 % of that.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.bench.failover_load import Seen, Wish, sell
from tests.bench.failover_world import wishes, world
from tests.bench.measure import Measure
from tests.e2e.contract_world import anvil

BATCH, HSM_MS = 16, 70
CAPACITY = BATCH / HSM_MS * 1000
AT_ONCE = 3 * BATCH  # one batch under the HSM, the next one waiting, one that a busy machine is late with
SECONDS = 8
SPARE = "quay-spare1"


def run() -> list[Measure]:
    """70 %, 150 %, then 70 % again."""
    busy = f"load average before {os.getloadavg()[0]:.1f}"
    load = f"{{:.0f}} claims/s for {SECONDS} s, the appliance signs {CAPACITY:.0f}/s, {busy}"
    variant = ("tests.bench.signer_variant", str(BATCH), str(HSM_MS))
    with anvil() as url, world(url).geography(0, signer=variant, at_once=AT_ONCE) as (appliance, _, port):
        wanted = wishes(appliance.drop, int(CAPACITY * SECONDS * 3.2))
        calm, full, after = (_sold(port, wanted, part) for part in (0.7, 1.5, 0.7))
    told = load.format(1.5 * CAPACITY)
    return [
        Measure("p99_ms", "ms", _p99_ms(full), _p99_ms(calm), told),
        Measure("failed", "tries", sum(one.failed for one in full), None, told),
        Measure("spare_share", "%", _share(full), _share(calm), told),
        Measure("spare_share_after", "%", _share(after), None, load.format(0.7 * CAPACITY)),
    ]


def _sold(port: int, wanted: list[Wish], part: float) -> list[Seen]:
    """At that part of what the appliance can; the wishes are taken off."""
    count = int(part * CAPACITY * SECONDS)
    mine = [wanted.pop() for _ in range(count)]
    return sell(port, mine, part * CAPACITY)


def _p99_ms(seen: Sequence[Seen]) -> float:
    return sorted(one.waited_s for one in seen)[int(len(seen) * 0.99)] * 1000


def _share(seen: Sequence[Seen]) -> float:
    return 100 * sum(one.node == SPARE for one in seen) / len(seen)
