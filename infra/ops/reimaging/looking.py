"""How the nodes of a fleet stand before a rolling re-image: by their boxes, their mints and their fronts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from infra import diversions
from infra.ops import fronts
from infra.ops.diverted import AWAY
from infra.ops.reimaging.one import Job
from infra.ops.served import ANSWER_S, at_front, ready
from infra.plan.model import Geography
from infra.provision.drift import drift
from infra.provision.probe import probe
from infra.provision.slots import UNDER_WAY, failed_on, state_of

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Looked:
    """`release` is what the box remembers, empty where it says nothing; `bad` is why it took the wanted one back."""

    release: str = ""
    well: bool = False  # it is as wanted, nothing was changed by hand, and its mint would sell
    begun: bool = False  # it is being re-imaged right now, by itself
    bad: str = ""


def look(jobs: Sequence[Job]) -> dict[str, Looked]:
    """By node, all at once; what a run that was killed left standing aside takes claims again."""
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
        geographies = {job.geo.name: job.geo for job in jobs}
        sells = {name for geo in geographies.values() for name in ready(client, geo)}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = dict(
                zip((job.node.name for job in jobs), pool.map(lambda job: _one(job, sells), jobs), strict=True)
            )
        for job in jobs:
            if found[job.node.name].well:
                _give_back(client, job.drop, job.geo, job.node.name)
    return found


def _one(job: Job, sells: set[str]) -> Looked:
    said = probe(job.host)
    if said is None:
        return Looked()
    told, state = said.remembered.get("told") or {}, state_of(job.host)
    as_wanted = told == job.cargo.document.told and not drift(said.remembered, said.now)
    begun = state is not None and state.phase in UNDER_WAY
    return Looked(
        release=str(told.get("release", "")),
        well=as_wanted and not begun and job.node.name in sells,
        begun=begun,
        bad="" if begun else failed_on(job.host, job.release),
    )


def _give_back(client: httpx.Client, drop: str, geo: Geography, node: str) -> None:
    """A person's word, which stands on record, stays."""
    seen = at_front(client, geo).get(node)
    if seen is not None and seen.state == AWAY and node not in diversions.read(drop):
        fronts.give_back(drop, geo, node)
