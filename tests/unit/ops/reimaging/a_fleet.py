"""Jobs of Harbour Lights' two appliances with a tiny release; boxes, mints and fronts are the test's."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from infra import overrides
from infra.ops.drops import open_drop, plan_of_file
from infra.ops.reimaging.cargo import Cargo
from infra.ops.reimaging.one import Job
from infra.ops.reimaging.shown import Fleet
from infra.plan.model import Geography
from infra.provision.ssh import Host
from infra.slot import slot_document
from tests.unit.bundle.a_bundle import TinyImages, tiny_release, tiny_settings

DROP, QUAY, MOLE = "harbour-lights", "quay-appliance1", "mole-appliance1"


def fleet(folder: Path, *, again: bool = False, hours: int = 0) -> dict[str, Job]:
    """By node, quay's first; with `hours` the release is not the wanted one."""
    path, file = open_drop(DROP)
    images = TinyImages()
    made = tiny_release(images)
    told: dict[str, Job] = {}
    for geo in plan_of_file(path, file, stack=DROP, slot=17).geographies:
        node = geo.nodes[0]
        settings = tiny_settings(made, folder / node.name, node.name)
        cargo = Cargo(slot_document(settings), made, images, b"", b"", settings.folder)
        other = overrides.issue(DROP, node.name, made.digest, "a trial", hours * 3600) if hours else None
        told[node.name] = Job(DROP, geo, node, Host.of_node(DROP, node), cargo, other, "a trial", again)
    return told


@dataclass
class World:
    """The boxes and the fronts: `away` are out of service, `faults` by node are how a re-image ends."""

    away: set[str] = field(default_factory=set)
    faults: dict[str, Exception] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    beside: threading.Barrier | None = None

    def carry_out(self, _client: httpx.Client, job: Job, shown: Fleet) -> None:
        """Stands for `_one`: in the box's place."""
        name = job.node.name
        self.taken.append(name)
        shown.by_node[name].say("trying")
        if self.beside is not None:
            self.beside.wait(5)
        if name in self.faults:
            raise self.faults[name]

    def in_service(self, _client: httpx.Client, geo: Geography) -> set[str]:
        """Stands for the fronts' own word."""
        return {node.name for node in geo.nodes} - self.away
