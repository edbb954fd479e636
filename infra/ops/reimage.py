"""`edgedrop reimage <node>`: another release on a node, or the same one whole again; what it has sold stays sold.

Several nodes, a geography or all of a drop go one after the other, or a batch at a time. A run that is killed leaves
nodes that come to their end by themselves, and the same command tells how they ended.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer

from infra import overrides
from infra import release as releases
from infra.audit import audited
from infra.bundle.images import LabRegistry
from infra.errors import BadUsage
from infra.ops.acting import AsJson, Drop, Yes
from infra.ops.diverting import Reason
from infra.ops.drops import drop_named, node_named, plan_of
from infra.ops.output import answer, confirm, people, say, tell
from infra.ops.reimaging.cargo import Source, from_lab, from_stick
from infra.ops.reimaging.one import Job, carry_out, judge, make_job
from infra.ops.reimaging.rolled import roll
from infra.ops.reimaging.rolling import Pace
from infra.ops.reimaging.shown import bar_of_one
from infra.plan.model import DropPlan, Geography, Node
from infra.provision.probe import probe
from infra.provision.slots import Told

Place = tuple[Geography, Node]


def reimage(
    nodes: Annotated[list[str] | None, typer.Argument(help="Appliances of the drop.")] = None,
    drop: Drop = None,
    geo: Annotated[list[str] | None, typer.Option(help="All appliances of this geography; may be given again.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All appliances of the drop.")] = False,
    release: Annotated[
        str | None, typer.Option(help="`current`, or the first digits of a release; else what the drop file wants.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="Take all from this bundle: no uplink is needed.")] = None,
    lasting: Annotated[
        str, typer.Option("--for", help="How long another release than the wanted one counts: 90m, 4h, 2d.")
    ] = overrides.LASTING,
    reason: Reason = "",
    canary: Annotated[int, typer.Option(min=0, help="Of several: so many go first, and must be well.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Of several: so many at once after that.")] = 3,
    again: Annotated[bool, typer.Option("--again", help="Also a release that failed here before.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a release on nodes: it is committed where the node is well on it, else the old one is back by itself.

    Another release than the wanted one is a signed override: `up` leaves it there until its time is over.
    """
    if bundle is not None and release is not None:
        raise BadUsage("--release with --bundle: a bundle holds one release", "leave one of the two out")
    seconds, stack = overrides.lasting(lasting), drop_named(drop)
    plan = plan_of(stack)
    chosen = _chosen(plan, nodes or (), geo or (), every=every)
    with ExitStack() as until_done:
        if bundle is not None:
            source = from_stick(bundle, stack, plan)
        else:
            client = until_done.enter_context(httpx.Client(trust_env=False))
            source = from_lab(client, release, stack, plan)
        jobs = _jobs(source, chosen, reason, seconds, again=again)
        if nodes and len(jobs) == 1:
            _alone(source, jobs[0], yes=yes, as_json=as_json)
        else:
            roll(source, jobs, Pace(canary, batch), yes=yes, as_json=as_json)


def _chosen(plan: DropPlan, nodes: Sequence[str], geographies: Sequence[str], *, every: bool) -> list[Place]:
    """Each once, geography by geography."""
    if sum((bool(nodes), bool(geographies), every)) != 1:
        raise BadUsage("name nodes, or give --geo or --all, one of the three", "edgedrop reimage quay-appliance1")
    there = [geo.name for geo in plan.geographies]
    if strange := sorted(set(geographies) - set(there)):
        raise BadUsage(f"{plan.drop} has no geography {strange[0]}", f"its geographies are {', '.join(there)}")
    for name in nodes:
        _, found = node_named(plan, name)
        if found.kind != "appliance":
            raise BadUsage(f"{name} is a spare: its containers are Pulumi's", f"type: edgedrop up {plan.stack}")
    return [
        (geo, node)
        for geo in plan.geographies
        for node in geo.nodes
        if node.kind == "appliance" and (every or geo.name in geographies or node.name in nodes)
    ]


def _jobs(source: Source, chosen: Sequence[Place], why: str, seconds: int, *, again: bool) -> list[Job]:
    """What is to be done, before anything is asked of a box."""
    drop, digest = source.stack.drop_stack, source.release.digest
    wanted = releases.wanted_digest(source.stack.lab, source.plan.release)
    return [
        make_job(source, geo, node, other, why, again=again)
        for geo, node in chosen
        for other in [overrides.differing(drop, node.name, digest, wanted, why, seconds)]
    ]


def _alone(source: Source, job: Job, *, yes: bool, as_json: bool) -> None:
    """One node, whether or not it has the release already and whether or not it has a neighbour."""
    _say_what_will_be(source, job)
    confirm(f"re-image {job.node.name}", yes=yes)
    begun = time.monotonic()
    with audited("reimage", job.drop, [job.node.name], job.trail):
        with bar_of_one(people) as watch:
            ended = carry_out(job, watch)
        _report(job, ended, time.monotonic() - begun, as_json=as_json)


def _say_what_will_be(source: Source, job: Job) -> None:
    said = probe(job.host)
    told = (said.remembered.get("told") or {}).get("release", "") if said else ""
    now = f"release {told[:12]}" if told else "no release of ours"
    whence = "the lab's registry" if isinstance(source.images, LabRegistry) else "the bundle"
    say(f"{job.node.name} runs {now}; this puts {job.release[:12]} there, from {whence}, through SSH")
    say("its journal and its key stay; if it is not well on it within a minute, what runs now is back by itself")
    if job.override is not None:
        say(f"the drop wants another one: {job.override.words()}")


def _report(job: Job, ended: Told, seconds: float, *, as_json: bool) -> None:
    """What the box says at the end, beside what it said before."""
    state, health = ended.state, ended.health
    if as_json:
        tell(
            {
                "act": "Reimage",
                "node": job.node.name,
                "release": state.release,
                "override": msgspec.to_builtins(job.override),
                "phase": state.phase,
                "why": state.why,
                "seconds": round(seconds, 1),
                "before": msgspec.to_builtins(state.before),
                "now": msgspec.to_builtins(health),
            }
        )
    judge(job, state)
    if not as_json:
        sells = "it sells" if health.ready else f"it does not sell yet: {health.reason}"
        answer(f"[green]done[/]: {job.node.name} runs release {state.release[:12]} after {seconds:.0f} s; {sells}")
        for grant, seq in (state.before.journal if state.before else {}).items():
            answer(f"its journal of grant {grant[:12]} stood at {seq} and stands at {health.journal.get(grant)}")
