"""What buyers saw, geography by geography: as data, and as a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from infra.ops.claimant import Got

HEADINGS = ("claims", "failed", "lost", "p50 ms", "p99 ms")


@dataclass(frozen=True, slots=True)
class Sales:
    """`failed`: buyers who saw any failure, `lost`: those who got no voucher in the end; from the wish to the answer.

    Percentiles are of nearest rank: the time of a real claim, retries included.
    """

    geography: str
    claims: int
    failed: int
    lost: int
    p50_ms: float
    p99_ms: float
    answered_by: Mapping[str, int]


def sales(got: Sequence[Got]) -> tuple[Sales, ...]:
    """In the order in which geographies first sold; pure."""
    names = dict.fromkeys(one.geography for one in got)
    return tuple(_of(name, [one for one in got if one.geography == name]) for name in names)


def table(found: Sequence[Sales]) -> Table:
    """A line a geography."""
    made = Table(title="what buyers saw", title_justify="left")
    made.add_column("geography", no_wrap=True)
    for heading in HEADINGS:
        made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("answered by")
    for one in found:
        counts = (str(count) for count in (one.claims, one.failed, one.lost))
        by_whom = ", ".join(f"{node} {count}" for node, count in one.answered_by.items())
        made.add_row(one.geography, *counts, f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}", by_whom)
    return made


def _of(name: str, got: Sequence[Got]) -> Sales:
    times = sorted(one.milliseconds for one in got)
    return Sales(
        geography=name,
        claims=len(got),
        failed=sum(bool(one.failures) for one in got),
        lost=sum(one.voucher is None for one in got),
        p50_ms=_percentile(times, 50),
        p99_ms=_percentile(times, 99),
        answered_by=dict(Counter(one.node for one in got if one.voucher is not None).most_common()),
    )


def _percentile(times: Sequence[float], percent: int) -> float:
    return times[-(-len(times) * percent // 100) - 1]
