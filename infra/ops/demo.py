"""`edgedrop demo`: a lab, a drop, buyers, a dead appliance; closes with the table of `edgedrop status`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated

import typer
from eth_account import Account
from rich.table import Table

from infra import stacks
from infra.errors import EdgedropError, StackNotUp, Unreachable
from infra.ops import sales, status
from infra.ops.agreement import Report
from infra.ops.claimant import Buyer, Got
from infra.ops.collect import collect
from infra.ops.output import answer, say, tell
from infra.ops.selling import Stock, sell, seller, share
from infra.ops.targets import resolve
from infra.ops.up import bring_up
from infra.plan.model import DropPlan, HubAddresses, Node
from infra.stacks import LAB
from node_image.hub.chain import Chain
from node_image.hub.redemption import MAX_ITEMS

CLAIMS = 32
PER_SECOND = 8.0
AGREE_S = 90.0
POLL_S = 0.5


@dataclass
class Show:
    """What the demo has come to so far: steps with their seconds, and what buyers got."""

    steps: list[tuple[str, float]] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Say it, time it."""
        say(f"[bold cyan]{what}[/]")
        begun = time.monotonic()
        yield
        self.steps.append((what, time.monotonic() - begun))


def demo(
    drop: Annotated[str, typer.Argument(help="The drop.")] = "harbour-lights",
    lab: Annotated[str, typer.Option(help="The lab's stack, brought up along with it.")] = LAB,
    file: Annotated[str | None, typer.Option(help="The drop file, where it isn't inventory/drops/<drop>.yaml.")] = None,
    claims: Annotated[int, typer.Option(min=2, help="How many claims.")] = CLAIMS,
    per_second: Annotated[float, typer.Option(min=0.1, max=500, help="How many of them a second.")] = PER_SECOND,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Stand a drop up, sell on it, kill an appliance while claims run, and show that nothing was lost."""
    show = Show()
    with show.step("stand up lab and drop"):
        bring_up(resolve([lab, drop], lab=lab, file=file))
    plan, hub = status.places(stacks.load(drop))
    chain, victim = Chain(hub.chain_url), _victim(plan)
    buyer = _buyer(plan, chain)
    _sell(show, buyer, victim, _stock(plan, hub), claims, per_second)
    _settle(show, buyer, chain)
    with show.step(f"{victim.name} is switched on again; journal = ledger = chain"):
        _docker("start", _container(plan, victim))
        report = _agreed(drop)
    if as_json:
        _tell(show, report)
    else:
        _close(show, plan, report)
    _judge(show, report)


def _sell(show: Show, buyer: Buyer, victim: Node, stock: Stock, claims: int, per_second: float) -> None:
    """Two waves; in the midst of the second one the first appliance dies."""
    plan = buyer.plan
    fronts = {geo.name: geo.front_url for geo in plan.geographies}
    first = share([seller(geo) for geo in plan.geographies], stock, claims // 2)
    with_it_dead = [seller(geo, frozenset([victim.name])) for geo in plan.geographies]
    for node in with_it_dead:
        if node.geo == victim.geo:  # either of the two may be asked: sell only what both have
            stock[node.name] = {tier: min(held, stock[victim.name][tier]) for tier, held in stock[node.name].items()}
    second = share(with_it_dead, stock, claims - claims // 2)
    if len(first) + len(second) < claims:
        say(f"only {len(first) + len(second)} tokens are left to sell here; for a fresh drop: make down, make demo")
    with show.step(f"{len(first)} claims over {len(fronts)} geographies"):
        show.got += sell(buyer, fronts, first, per_second=per_second)
    with show.step(f"{len(second)} more, and {victim.name} is killed in their midst"):
        show.got += sell(
            buyer, fronts, second, per_second=per_second, midway=lambda: _docker("kill", _container(plan, victim))
        )


def _settle(show: Show, buyer: Buyer, chain: Chain) -> None:
    """Believe nothing unchecked; pay for what has a price in ether (the relayer redeems what is free)."""
    with show.step("every voucher is checked with eth-account; those with a price in ether are paid on chain"):
        for got in show.got:
            if got.voucher is not None:
                buyer.check(got.wish, got.voucher)
        bought = [got.voucher for got in show.got if got.voucher is not None]
        dear = [one for one in bought if int(one["price_wei"]) and "currency" not in one]
        till = Account.create()
        chain.fund(till.address)
        for at in range(0, len(dear), MAX_ITEMS):
            done = chain.redeem_many(till.key.to_0x_hex(), buyer.plan.contract.address, dear[at : at + MAX_ITEMS])
            if done.skipped:
                raise EdgedropError(f"the chain skipped {done.skipped[0]}", "type: edgedrop verify <voucher>")


def _agreed(drop: str) -> Report:
    """The first report in which all nodes are back and all agree."""
    deadline = time.monotonic() + AGREE_S
    while True:
        report = status.report_of(drop)
        if report.agree and all(geo.ready == geo.nodes for geo in report.geographies):
            return report
        if time.monotonic() > deadline:
            status.show(report)
            raise Unreachable(f"{drop} did not agree within {AGREE_S:.0f} s", f"type: edgedrop status {drop}")
        time.sleep(POLL_S)  # the pace of asking


def _close(show: Show, plan: DropPlan, report: Report) -> None:
    """What a person came for: buyers, drop, time."""
    answer("", sales.table(sales.sales(show.got)), "", status.table(report), "", _times(show.steps))
    for geo in plan.geographies:
        answer(f"claim page of {geo.title}: {geo.front_url}")
    answer("next: [bold]edgedrop status[/] (the table at any time), [bold]make down[/] (takes everything away)")


def _tell(show: Show, report: Report) -> None:
    """The same for machines."""
    tell(
        {
            "sales": [asdict(one) for one in sales.sales(show.got)],
            "report": status.as_data(report),
            "seconds": dict(show.steps),
        }
    )


def _judge(show: Show, report: Report) -> None:
    """The demo's promise: no buyer sees a failure."""
    failed = [got for got in show.got if got.failures]
    if failed:
        lost = sum(got.voucher is None for got in failed)
        raise EdgedropError(
            f"{len(failed)} buyers saw a failure, {lost} of them got no voucher; the first: {failed[0].failures[0]}",
            f"type: edgedrop status {report.stack}",
        )


def _times(steps: list[tuple[str, float]]) -> Table:
    made = Table(title="what it took", title_justify="left", show_header=False)
    made.add_column(no_wrap=False)
    made.add_column(justify="right", no_wrap=True)
    for what, seconds in steps:
        made.add_row(what, f"{seconds:.1f} s")
    made.add_section()
    made.add_row("in all", f"{sum(seconds for _, seconds in steps):.1f} s")
    return made


def _buyer(plan: DropPlan, chain: Chain) -> Buyer:
    keys: dict[str, str] = {}
    for node in plan.grants:
        key = chain.grant_key(plan.contract.address, node.grant_id)
        if key is None and node.leases:
            raise StackNotUp(f"the chain knows no grant of {node.name}", f"type: edgedrop up {plan.stack}")
        keys[node.grant_id] = key or ""
    return Buyer(plan, keys)


def _stock(plan: DropPlan, hub: HubAddresses) -> Stock:
    said = collect(plan, hub).nodes
    return {name: dict(one.left) for name, one in said.items() if one is not None}


def _victim(plan: DropPlan) -> Node:
    """An appliance that we made and that has a neighbour: a real one is not ours to switch off."""
    found = next((geo.nodes[0] for geo in plan.geographies if len(geo.nodes) > 1), None)
    if found is None or found.target != "docker":
        raise EdgedropError("no geography has an appliance of ours and a spare", "edgedrop demo harbour-lights")
    return found


def _container(plan: DropPlan, node: Node) -> str:
    return f"{stacks.holder(plan.stack, node.geo).name}-{node.name}"


def _docker(*arguments: str) -> None:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise EdgedropError(f"docker {arguments[0]}: {done.stderr.strip()}", "type: edgedrop doctor")
