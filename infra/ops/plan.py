"""`edgedrop plan`: what a drop will be, before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from infra.ops.drops import open_drop, plan_of_file
from infra.ops.output import answer, tell
from infra.plan.model import DropPlan, Lease, Scale, Tier


def plan(
    drop: Annotated[str, typer.Argument(help="A name from inventory/drops, or a drop file's path.")],
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON on stdout.")] = False,
) -> None:
    """Show geographies, nodes, addresses, leases and the contract's address; makes nothing on any engine or chain."""
    path, file = open_drop(drop)
    made = plan_of_file(path, file, stack=file.spec.name)
    if as_json:
        tell(msgspec.to_builtins(made))
    else:
        answer(_tiers(made), _nodes(made))
        for geo in made.geographies:
            if geo.scale:
                answer(_scale(geo.name, geo.scale))
        for one in made.currencies:
            answer(f"{one.symbol} is the ERC-20 [bold]{one.address}[/] with {one.decimals} decimals")
        answer(f"contract [bold]{made.contract.address}[/] on chain {made.contract.chain_id}")


def _tiers(made: DropPlan) -> Table:
    table = Table(title=f"{made.title}: what is for sale", title_justify="left")
    for heading in ("tier", "tokens", "ids", "leased", "kept back", "price", "cap", "SKU"):
        table.add_column(heading, justify="left" if heading in ("tier", "SKU") else "right", no_wrap=True)
    for tier in made.tiers:
        last = tier.first_token + tier.supply - 1
        counts = (tier.supply, f"{tier.first_token}-{last}", tier.supply - tier.fallback, tier.fallback)
        price, cap = _price(made, tier), str(tier.wallet_cap)
        table.add_row(tier.name, *(str(count) for count in counts), price, cap, tier.sku or "")
    return table


def _price(made: DropPlan, tier: Tier) -> str:
    return made.amount(tier, tier.price_wei) if tier.price_wei else "free"


def _nodes(made: DropPlan) -> Table:
    table = Table(title="who may sell it", title_justify="left")
    for heading in ("node", "address"):
        table.add_column(heading, no_wrap=True)
    for tier in made.tiers:
        table.add_column(f"{tier.name} ids", justify="right")
    for geo in made.geographies:
        table.add_row(f"[bold]{geo.title}[/]", geo.subnet)
        table.add_row(f"{geo.name}-front", f"{geo.front_address}:8080")
        for front in geo.fronts if geo.pair else ():
            table.add_row(f"  held by {front.name}", front.address)
        table.add_row(f"{geo.name}-witness", geo.witness_address)
        for node in geo.nodes:
            for one in node.each():
                named = f"{node.name} (epoch {one.epoch})" if node.later else node.name
                table.add_row(named, node.address, *_ranges(made, one.leases))
            for grant in (one for one in geo.cloud if one.node == node.name):
                table.add_row(f"  {grant.name}", "when its HSM is out", *_ranges(made, grant.leases))
        for node in geo.elastic:
            table.add_row(f"{node.name} (elastic)", node.address, *_ranges(made, node.kept))
        table.add_section()
    return table


def _scale(geo: str, scale: Scale) -> str:
    return (
        f"{geo}: {scale.least} to {scale.most} spares; those above {scale.least} come {scale.ahead_s / 60:g} min "
        f"before the window and from {scale.busy_percent} % busy hands on, go at {scale.idle_percent} %, "
        f"for {scale.budget_s / 3600:g} spare-hours in all (edgedrop autoscale)"
    )


def _ranges(made: DropPlan, leases: Sequence[Lease]) -> Iterator[str]:
    """By tier; empty where there is no lease."""
    held = {lease.tier: f"{lease.start}-{lease.start + lease.quota - 1}" for lease in leases}
    return (held.get(tier.tier, "") for tier in made.tiers)
