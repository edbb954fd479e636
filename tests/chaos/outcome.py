"""What a chaos run came to, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests import report


class Outcome(msgspec.Struct, frozen=True):
    """One fault: how often it was met, how often a promise was broken; or planted bugs and how many were found."""

    fault: str
    runs: int
    violations: int
    planted_found: int = 0
    planted_total: int = 0
    detail: str = ""


def write(name: str, found: Sequence[Outcome]) -> Path:
    """build/chaos/<name>.json."""
    return report.write("chaos", name, msgspec.to_builtins(found))


def show(name: str, found: Sequence[Outcome]) -> None:
    """For people."""
    table = Table(title=f"chaos: {name}", title_justify="left")
    for heading in ("fault", "runs", "violations", "planted bugs found", "detail"):
        table.add_column(heading, justify="left" if heading in ("fault", "detail") else "right")
    for one in found:
        planted = f"{one.planted_found}/{one.planted_total}" if one.planted_total else "-"
        table.add_row(one.fault, str(one.runs), str(one.violations), planted, one.detail)
    Console().print(table)


def good(found: Sequence[Outcome]) -> bool:
    """No promise was broken, and every planted bug was found."""
    return all(one.violations == 0 and one.planted_found == one.planted_total for one in found)
