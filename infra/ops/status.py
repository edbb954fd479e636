"""`edgedrop status`: how each geography is, and whether journal, ledger and chain say the same."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from infra import labs
from infra.errors import EdgedropError, StackNotUp, Unreachable
from infra.ops.agreement import Report, compare
from infra.ops.collect import collect
from infra.ops.drops import open_drop_of, plan_of_file
from infra.ops.output import answer, tell
from infra.plan import plan_lab
from infra.plan.model import DropPlan, HubAddresses
from infra.slots import slot_of

RIGHT = ("nodes", "ready", "claims", "redeemed", "p50 ms", "p99 ms")


def status(
    drop: Annotated[str | None, typer.Argument(help="A drop's stack; all that are up where none is named.")] = None,
    file: Annotated[str | None, typer.Option(help="Its drop file, where the stack's name does not tell.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Show nodes, claims, redemptions; ends with 5 where something is silent, with 1 where something differs."""
    stacks = (drop,) if drop else labs.drop_stacks()
    if not stacks:
        raise StackNotUp("no drop is up on this machine", "type: edgedrop up <drop>")
    reports = [report_of(stack, file) for stack in stacks]
    if as_json:
        found = [as_data(report) for report in reports]
        tell(found[0] if drop else {"drops": found, "agree": all(report.agree for report in reports)})
    else:
        for report in reports:
            show(report)
    _judge(reports)


def report_of(stack: str, file: str | None = None) -> Report:
    """Ask everybody, compare what they say."""
    made, hub = places(stack, file)
    return compare(made, collect(made, hub))


def places(stack: str, file: str | None = None) -> tuple[DropPlan, HubAddresses]:
    """The stack's plan and its lab's addresses; StackNotUp where either has no slot."""
    lab = labs.lab_of(stack)
    for name in (stack, lab):
        if slot_of(name) is None:
            raise StackNotUp(f"stack {name} is not up", f"type: edgedrop up {name}")
    return plan_of_file(*open_drop_of(stack, file), stack=stack), plan_lab(slot_of(lab) or 0)


def as_data(report: Report) -> dict[str, Any]:
    """For machines: `agree` over all and for each geography, with every difference in words."""
    geographies = [asdict(geo) | {"agree": geo.agree} for geo in report.geographies]
    return asdict(report) | {"geographies": geographies, "agree": report.agree}


def show(report: Report) -> None:
    """For people: the table, then what differs."""
    answer(table(report))
    for fault in (*report.differences, *(fault for geo in report.geographies for fault in geo.differences)):
        answer(f"[red]differs[/] {escape(fault)}")


def table(report: Report) -> Table:
    """A line a geography; the last column is what counts."""
    made = Table(
        title=f"{report.drop} ({report.stack})", title_justify="left", caption="agree: journal = ledger = chain"
    )
    made.add_column("geography", no_wrap=True)
    for heading in RIGHT:
        made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("agree")
    for geo in report.geographies:
        counts = (f"{geo.reachable}/{geo.nodes}", f"{geo.ready}/{geo.nodes}", str(geo.claims), str(geo.redeemed))
        made.add_row(geo.title, *counts, _ms(geo.p50_ms), _ms(geo.p99_ms), _yes(geo.agree and not report.differences))
    return made


def _judge(reports: list[Report]) -> None:
    silent = [place for report in reports for place in report.silent]
    if silent:
        raise Unreachable(f"no answer from {', '.join(silent)}", "type: edgedrop up <stack>, which mends what it can")
    if not all(report.agree for report in reports):
        raise EdgedropError(
            "journal, ledger and chain differ", "just after claims this is right; look again in a second"
        )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _yes(agree: bool) -> str:
    return "[green]yes[/]" if agree else "[red]no[/]"
