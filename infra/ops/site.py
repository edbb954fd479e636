"""`edgedrop site check`: whether the boxes of a site can do what a drop will ask of them, measured on them."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from infra import stacks
from infra.errors import BadUsage, EdgedropError, NeedNotMet, NotVerified, Unreachable
from infra.home import ROOT
from infra.ops.output import answer, people, say, tell
from infra.plan import plan_lab
from infra.site.assess import Finding, assess, assess_site
from infra.site.measured import PARTS
from infra.site.reach import measure
from infra.site.verdicts import Case
from infra.spec import BoxSpec, SiteSpec, read_site
from infra.stacks import LAB

SITES = ROOT / "inventory" / "sites"
LEAF_PORT = 7422  # what a node's bus dials
WORKERS = 16
COLOURS = {"pass": "green", "fail": "red", "open": "yellow"}

app = typer.Typer(help="The real boxes of a place (inventory/sites).", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Checked:
    """A box with its findings, or with what kept it from being measured."""

    box: BoxSpec
    findings: tuple[Finding, ...] = ()
    fault: EdgedropError | None = None


@app.callback()
def site() -> None:
    """The real boxes of a place (inventory/sites)."""


@app.command()
def check(
    site: Annotated[str, typer.Argument(help="A name from inventory/sites, or a site file's path.")],
    box: Annotated[list[str] | None, typer.Option(help="Only this box; may be given again.")] = None,
    lab: Annotated[str | None, typer.Option(help=f"The lab that serves it; {LAB} where it is up.")] = None,
    hub: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Its bus, where no lab is known here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Measure each box by SSH and change nothing there; ends with 7 where a need is not met, 5 or 6 as everywhere."""
    spec = open_site(site)
    boxes, place = _boxes(spec, box or ()), _hub(lab, hub)
    found = () if box else assess_site(spec)
    checked = _check_all(boxes, place)
    if as_json:
        tell(_data(spec, place, found, checked))
    else:
        if found:
            _show(spec.name, found)
        for one in checked:
            _show(f"{spec.name}/{one.box.name} at {one.box.address}", one.findings)
    _judge(spec, found, checked)


def open_site(name_or_file: str) -> SiteSpec:
    """A name is a file of inventory/sites; anything with a slash or .yaml is a path."""
    is_path = "/" in name_or_file or name_or_file.endswith(".yaml")
    path = Path(name_or_file) if is_path else SITES / f"{name_or_file}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in SITES.glob("*.yaml")))
        raise BadUsage(f"there is no site file {name_or_file}", f"give a path, or one of: {there}")
    return read_site(path)


def _boxes(spec: SiteSpec, names: Sequence[str]) -> tuple[BoxSpec, ...]:
    there = {box.name: box for box in spec.boxes}
    for name in names:
        if name not in there:
            raise BadUsage(f"{spec.name} has no box {name}", f"its boxes are {', '.join(there)}")
    return tuple(there[name] for name in names) or spec.boxes


def _hub(lab: str | None, hub: str | None) -> str:
    """`host:port` of the bus, empty where nobody named one and no lab is up."""
    if hub is not None:
        if not re.fullmatch(r"([\w.-]+|\[[0-9A-Fa-f:.]+\]):[1-9]\d{0,4}", hub):
            raise BadUsage(f"--hub {hub} is no place", f"it is <host>:<port>, such as hub.example:{LEAF_PORT}")
        return hub
    stack = stacks.load(lab) if lab else stacks.find(LAB)
    if stack and stack.kind != "lab":
        raise BadUsage(f"--lab {stack.name} is no lab", "name the stack of the hub, such as lab")
    return f"{plan_lab(stack.slot).bus}:{LEAF_PORT}" if stack else ""


def _check_all(boxes: Sequence[BoxSpec], hub: str) -> list[Checked]:
    """All at once; a bar a box where somebody looks on, and a line as each is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.fields[part]}"),
    )
    with Progress(*columns, console=people, transient=True) as bars, ThreadPoolExecutor(WORKERS) as pool:

        def work(box: BoxSpec) -> Checked:
            bar = bars.add_task(box.name, total=len(PARTS) - (not hub), part="")
            done = _check(box, hub, lambda part: bars.update(bar, advance=1, part=part))
            say(done.fault.message if done.fault else f"{box.name}: {_counts(done.findings)}")
            return done

        return list(pool.map(work, boxes))


def _check(box: BoxSpec, hub: str, heard: Callable[[str], None]) -> Checked:
    try:
        seen = measure(box, hub, heard)
    except EdgedropError as fault:
        return Checked(box, fault=fault)
    return Checked(box, assess(Case(box, platform.machine()), seen))


def _counts(findings: Sequence[Finding]) -> str:
    states = [one.state for one in findings]
    return ", ".join(f"{states.count(state)} {state}" for state in COLOURS if state in states)


def _data(spec: SiteSpec, hub: str, found: Sequence[Finding], checked: Sequence[Checked]) -> dict[str, object]:
    return {
        "site": spec.name,
        "hub": hub or None,
        "passed": not _failed(found, checked) and not any(one.fault for one in checked),
        "findings": [asdict(one) for one in found],
        "boxes": [
            {
                "box": one.box.name,
                "address": str(one.box.address),
                "fault": one.fault.message if one.fault else None,
                "findings": [asdict(finding) for finding in one.findings],
            }
            for one in checked
        ],
    }


def _show(title: str, findings: Sequence[Finding]) -> None:
    """The table, then of what is not met why it matters and what to do."""
    table = Table(title=title, title_justify="left")
    for heading in ("", "need", "wanted", "found"):
        table.add_column(heading)
    for one in findings:
        table.add_row(f"[{COLOURS[one.state]}]{one.state}[/]", one.name, escape(one.wants), escape(one.found))
    if findings:
        answer(table)
    for one in findings:
        if one.state != "pass":
            answer(f"[{COLOURS[one.state]}]{one.name}[/]: {escape(one.why)}", f"  do: {escape(one.todo)}")


def _failed(found: Sequence[Finding], checked: Sequence[Checked]) -> list[tuple[str, Finding]]:
    """What is not met, each with the box's name in front."""
    all_of_them = [("", one) for one in found] + [
        (f"{one.box.name} ", each) for one in checked for each in one.findings
    ]
    return [(whose, one) for whose, one in all_of_them if one.state == "fail"]


def _judge(spec: SiteSpec, found: Sequence[Finding], checked: Sequence[Checked]) -> None:
    """The worst is what the exit code tells: a strange key, then a silent box, then a need."""
    faults = [one.fault for one in checked if one.fault]
    for kind in (NotVerified, Unreachable):
        met = [fault for fault in faults if isinstance(fault, kind)]
        if met:
            raise kind("; ".join(fault.message for fault in met), _whom(spec, met[0].hint))
    failed = _failed(found, checked)
    if failed:
        names = ", ".join(f"{whose}{one.name}" for whose, one in failed)
        raise NeedNotMet(f"not as needed: {names}", failed[0][1].todo)


def _whom(spec: SiteSpec, hint: str) -> str:
    """The hint, and who is there to look."""
    tech = next((one for one in spec.contacts if one.role == "field-tech"), None)
    return f"{hint} {tech.name} is there: {tech.reach[0]}" if tech else hint
