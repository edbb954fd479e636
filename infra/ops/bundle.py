"""`edgedrop bundle <release>`: a release and a drop's node files on a stick. `bundle check`: may this one be used?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from typer.core import TyperGroup

from infra import release as releases
from infra import stacks
from infra.bundle.images import LabRegistry
from infra.bundle.make import Cargo
from infra.bundle.make import make as make_bundle
from infra.bundle.verify import Bundle, open_bundle
from infra.errors import BadUsage
from infra.node_settings import NodeSettings, node_settings
from infra.ops.drops import plan_of
from infra.ops.output import answer, people, tell
from infra.ops.prepare import prepare_drop
from infra.plan import plan_lab
from infra.release import Release
from infra.stacks import LAB, Stack

MOST_DAYS = 366


class _OrMake(TyperGroup):
    """What is no command's name is a release's."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As `make`."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["make", *args])


app = typer.Typer(cls=_OrMake, help="A release on a stick, for a site without an uplink.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="As JSON on stdout.")]


@app.command()
def make(
    release: Annotated[str, typer.Argument(help="`current`, or the first digits of a release's digest.")],
    out: Annotated[Path, typer.Option(help="A folder on the stick; the same command goes on after a kill.")],
    drop: Annotated[str | None, typer.Option(help="With what this drop's appliances are given.")] = None,
    node: Annotated[list[str] | None, typer.Option(help="Of the drop this node alone; may be given again.")] = None,
    lab: Annotated[str, typer.Option(help="Whose registry has the images, where no drop is named.")] = LAB,
    days: Annotated[float, typer.Option(help="How long the bundle may be used.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Copy a release's images, and the node files that hold no secret, to a stick, and sign what is there."""
    if not 0 < days <= MOST_DAYS:
        raise BadUsage(f"--days {days}", f"give more than 0 and at most {MOST_DAYS}")
    stack = stacks.load(drop) if drop else None
    held = stacks.load(stack.lab if stack else lab)
    wanted, hub = releases.named(held.name, release), plan_lab(held.slot)
    nodes = _settings(stack, wanted, node or ()) if stack else {}
    cargo = Cargo(wanted, hub.registry, stack.drop_stack if stack else "", nodes)
    with (
        httpx.Client(trust_env=False) as client,
        Progress(TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn(), console=people) as shown,
    ):
        task = shown.add_task(out.name, total=None)
        source = LabRegistry(client, hub.registry_push)
        make_bundle(out, cargo, source, days, lambda _name, size: shown.advance(task, size))
    _report(open_bundle(out, cargo.drop or None), out, as_json=as_json)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    drop: Annotated[str | None, typer.Option(help="The drop that it is to be for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read all of a bundle and change nothing; ends with 6 and the reason where it may not be used."""
    _report(open_bundle(folder, drop), folder, as_json=as_json)


def _settings(stack: Stack, release: Release, names: list[str] | tuple[()]) -> dict[str, NodeSettings]:
    """What each appliance, or each that is named, is to be given."""
    prepare_drop(stack)
    plan, hub = plan_of(stack), plan_lab(stacks.load(stack.lab).slot)
    nodes = {node.name: node for node in plan.nodes if node.kind == "appliance"}
    strange = sorted(set(names) - set(nodes))
    if strange:
        raise BadUsage(f"{strange[0]} is no appliance of {stack.name}", f"they are {', '.join(nodes)}")
    return {
        name: node_settings(plan, node, stacks.holder(stack.drop_stack, node.geo).name, hub, release)
        for name, node in nodes.items()
        if not names or name in names
    }


def _report(bundle: Bundle, folder: Path, *, as_json: bool) -> None:
    told = bundle.contents
    if as_json:
        tell({"folder": str(folder), **msgspec.to_builtins(told)})
        return
    made = datetime.fromtimestamp(told.made_at, UTC)
    what = f"{told.drop}: {', '.join(told.nodes)}" if told.drop else "images alone"
    answer(f"[green]good[/]: release {told.release[:12]}, {what}; made {made:%Y-%m-%d %H:%M} UTC")
    if told.drop:
        answer("what holds a secret is not on it: the node keeps it, or gets it over SSH from this machine")
