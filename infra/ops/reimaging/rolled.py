"""A rolling re-image as a person meets it: what will be, who is left out, how each of them ended, what to type then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from infra import failures, overrides
from infra.errors import EdgedropError
from infra.ops.output import answer, confirm, people, say
from infra.ops.reimaging.cargo import Source
from infra.ops.reimaging.fleet import Ended, Rolling
from infra.ops.reimaging.looking import Looked, look
from infra.ops.reimaging.one import Job
from infra.ops.reimaging.rolling import Pace, in_order
from infra.ops.reimaging.shown import bars_of

COLOURS = {"done": "green", "was done": "green", "failed": "red", "not begun": "yellow"}


def roll(source: Source, jobs: Sequence[Job], pace: Pace, *, yes: bool, as_json: bool) -> None:
    """From words to the last one that is done, or to the first that failed."""
    looked = look(jobs)
    by_name = {job.node.name: job for job in jobs}
    order = in_order(tuple(by_name), {name for name, seen in looked.items() if seen.begun})
    _refuse_what_failed(source, jobs, looked)
    _say_what_will_be(source, [by_name[name] for name in order], looked, pace)
    confirm(f"re-image {len(jobs)} nodes", yes=yes)
    for job in jobs:
        if looked[job.node.name].well:
            _settle(job)
    with bars_of(order, people) as shown:
        rolling = Rolling({name: by_name[name] for name in order}, looked, pace, shown)
        rolling.run()
    _report(source, rolling.ended(), rolling.stopped, as_json=as_json)
    if rolling.stopped is not None:
        raise rolling.stopped


def _refuse_what_failed(source: Source, jobs: Sequence[Job], looked: Mapping[str, Looked]) -> None:
    """On any node of the drop, by this machine's record and by the boxes' own."""
    digest, drop = source.release.digest, source.stack.drop_stack
    noted = {name: f"{one.why} ({one.at[:19]} UTC)" for name, one in failures.read(drop).get(digest, {}).items()}
    found = noted | {name: seen.bad for name, seen in looked.items() if seen.bad}
    if found and not all(job.again for job in jobs):
        name, why = next(iter(found.items()))
        raise EdgedropError(
            f"release {digest[:12]} failed on {name} before: {why}",
            "look at it; --again tries the release all the same",
        )


def _say_what_will_be(source: Source, jobs: Sequence[Job], looked: Mapping[str, Looked], pace: Pace) -> None:
    """Who goes in which order."""
    names = [job.node.name for job in jobs if not looked[job.node.name].well]
    first, others = ", ".join(names[: pace.canary]), len(names[pace.canary :])
    say(f"release {source.release.digest[:12]}: {len(jobs) - len(names)} of {len(jobs)} are well on it already")
    steps = ([f"{first} first"] if first else []) + (
        [f"{others} more, at most {pace.batch} at once and one of a geography"] if others else []
    )
    if steps:
        say("; then ".join(steps))
        say("each keeps its journal and its key; the first that is not well on it has what ran before, and ends this")
    if jobs[0].override is not None:
        say(f"the drop wants another one: {jobs[0].override.words()}")


def _settle(job: Job) -> None:
    """One that is left out may have been put there by a run that was killed, or by a play: what counts says so, too."""
    stands = overrides.in_force(job.drop, job.node.name, "")
    if (stands and stands.release) != (job.override and job.override.release):
        overrides.put(job.drop, job.node.name, job.override)


def _report(source: Source, ended: Sequence[Ended], stopped: EdgedropError | None, *, as_json: bool) -> None:
    """What stands where."""
    if as_json:
        told = {"act": "Reimage", "release": source.release.digest, "stopped": stopped.message if stopped else None}
        print(json.dumps(told | {"nodes": [asdict(one) for one in ended]}))
        return
    table = Table()
    for heading in ("node", "", "release", "s", "why"):
        table.add_column(heading, no_wrap=heading != "why")
    for one in ended:
        did, seconds = f"[{COLOURS[one.did]}]{one.did}[/]", f"{one.seconds:.0f}" if one.seconds else ""
        table.add_row(one.node, did, one.release[:12] or "unknown", seconds, escape(one.why))
    answer(table)
