"""One figure of a bench, with what it is compared to and where it was taken."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests import report


class Measure(msgspec.Struct, frozen=True):
    """`baseline` is of the same run; `load` says how much of what was asked."""

    measure: str
    unit: str
    value: float
    baseline: float | None
    load: str

    @property
    def ratio(self) -> float | None:
        """Value to baseline."""
        return round(self.value / self.baseline, 3) if self.baseline else None


def machine() -> str:
    """Enough to tell whether two figures may be compared."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"


def write(name: str, found: Sequence[Measure]) -> Path:
    """build/bench/<name>.json."""
    told = [msgspec.to_builtins(one) | {"ratio": one.ratio, "machine": machine()} for one in found]
    return report.write("bench", name, told)


def show(name: str, found: Sequence[Measure]) -> None:
    """For people."""
    table = Table(title=f"{name} on {machine()}", title_justify="left")
    for heading in ("measure", "value", "baseline", "ratio", "load"):
        table.add_column(heading, justify="left" if heading in ("measure", "load") else "right")
    for one in found:
        baseline = "-" if one.baseline is None else f"{one.baseline:,.2f}"
        ratio = "-" if one.ratio is None else f"{one.ratio:.2f}"
        table.add_row(one.measure, f"{one.value:,.2f} {one.unit}", baseline, ratio, one.load)
    Console().print(table)
