"""`edgedrop status`: how each geography is, and whether journal, ledger and chain say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from infra import elastic, stacks
from infra.errors import EdgedropError, StackNotUp, Unreachable
from infra.ops.agreement import Report, compare
from infra.ops.collect import collect
from infra.ops.diverted import Told, diverted
from infra.ops.drops import plan_of
from infra.ops.front_look import Look, look
from infra.ops.output import answer, tell
from infra.ops.overridden import overridden
from infra.ops.scaled import scaled
from infra.plan import plan_lab
from infra.plan.model import DropPlan, HubAddresses
from infra.stacks import Stack

RIGHT = ("nodes", "ready", "claims", "redeemed", "p50 ms", "p99 ms")


def status(
    drop: Annotated[str | None, typer.Argument(help="A drop's stack; all that are up where none is named.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Show nodes, claims, redemptions; ends with 5 where something is silent, with 1 where something differs."""
    drops = (drop,) if drop else stacks.drops()
    if not drops:
        raise StackNotUp("no drop is up on this machine", "type: edgedrop up <drop>")
    reports = [report_of(stack) for stack in drops]
    plans = {report.stack: plan_of(stacks.load(report.stack)) for report in reports}
    looks = {stack: look(plan) for stack, plan in plans.items()}
    told = {stack: diverted(plans[stack], found) for stack, found in looks.items()}
    scales = {stack: scaled(plan) for stack, plan in plans.items()}
    if as_json:
        found = [
            as_data(one)
            | _beside(looks[one.stack], told[one.stack], one.stack)
            | {"autoscale": [scale.data() for scale in scales[one.stack]]}
            for one in reports
        ]
        tell(found[0] if drop else {"drops": found, "agree": all(report.agree for report in reports)})
    else:
        for report in reports:
            show(report)
            _show_fronts(report.stack, looks[report.stack], told[report.stack])
            for other in overridden(stacks.load(report.stack)):
                answer(f"[yellow]not as its drop file says[/] {other.node}, {escape(other.words())}")
            for scale in scales[report.stack]:
                answer(f"autoscale {escape(scale.words())}")
    _judge(reports, [place for found in looks.values() for one in found for place in one.silent])


def report_of(drop: str) -> Report:
    """Ask everybody, compare what they say."""
    made, hub = places(stacks.load(drop))
    up = [node for node in made.stood if node.name in elastic.of(drop, node.geo).at("up")]
    return compare(made, collect(made, hub, up))


def places(stack: Stack) -> tuple[DropPlan, HubAddresses]:
    """The stack's plan and its lab's addresses."""
    return plan_of(stack), plan_lab(stacks.load(stack.lab).slot)


def as_data(report: Report) -> dict[str, Any]:
    """For machines: `agree` over all and for each geography, with every difference in words."""
    geographies = [asdict(geo) | {"agree": geo.agree} for geo in report.geographies]
    return asdict(report) | {"geographies": geographies, "agree": report.agree}


def _beside(looks: Sequence[Look], told: Sequence[Told], drop: str) -> dict[str, Any]:
    """Who has the buyers, and what people had done otherwise than the files say."""
    fronts = [
        {"geography": one.geo.name, "answers": one.holder, "dead": list(one.dead)}
        | {"lent": {name: asdict(seen) for name, seen in one.lent.items()}}
        for one in looks
    ]
    aside = [{"node": one.node, "fronts": dict(one.fronts), "record": msgspec.to_builtins(one.record)} for one in told]
    return {"fronts": fronts, "diverted": aside, "overrides": msgspec.to_builtins(overridden(stacks.load(drop)))}


def _show_fronts(stack: str, looks: Sequence[Look], told: Sequence[Told]) -> None:
    for one in looks:
        if words := one.words(stack):
            colour = "red" if one.silent else "green"
            answer(f"[{colour}]front[/] {escape(words)}")
        for name, seen in one.lent.items():
            answer(f"{one.geo.name} is lent {escape(name)}: {seen.state}, {seen.answered} answers since its front runs")
    for node in told:
        answer(f"[yellow]set aside[/] {escape(node.words(stack))}")


def show(report: Report) -> None:
    """For people: the table, what was paid, who sells nothing and why, then what differs."""
    answer(table(report))
    if report.takings:
        answer("taken: " + escape(", ".join(f"{tier} {taken}" for tier, taken in report.takings.items())))
    for name, reason in (item for geo in report.geographies for item in geo.unready.items()):
        answer(f"[yellow]not ready[/] {escape(f'{name}: {reason}')}")
    for fault in (*report.differences, *(fault for geo in report.geographies for fault in geo.differences)):
        answer(f"[red]differs[/] {escape(fault)}")


def table(report: Report) -> Table:
    """A line a geography; the last column is what counts."""
    title = report.drop if report.drop == report.stack else f"{report.drop} ({report.stack})"
    made = Table(title=title, title_justify="left", caption="agree: journal = ledger = chain")
    made.add_column("geography", no_wrap=True)
    for heading in RIGHT:
        made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("agree")
    for geo in report.geographies:
        counts = (f"{geo.reachable}/{geo.nodes}", f"{geo.ready}/{geo.nodes}", str(geo.claims), str(geo.redeemed))
        made.add_row(geo.title, *counts, _ms(geo.p50_ms), _ms(geo.p99_ms), _yes(geo.agree and not report.differences))
    return made


def _judge(reports: list[Report], fronts: list[str]) -> None:
    silent = [*(place for report in reports for place in report.silent), *fronts]
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
