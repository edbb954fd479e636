"""One node's re-image, from what it lacks to how it ended; what stands on record of it before it begins and after it.

Images go through the SSH session, the switch is the box's own affair (node_image/slots): whoever is killed here leaves
a node that comes to its end by itself.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra import failures, installer, overrides, stacks
from infra.bundle import images
from infra.errors import EdgedropError
from infra.node_settings import hostvars
from infra.ops.aside import aside
from infra.ops.reimaging.cargo import Cargo, Source
from infra.overrides import Override
from infra.plan.model import Geography, Node
from infra.provision.play import play
from infra.provision.session import session
from infra.provision.slots import UNDER_WAY, Installer, State, Told
from infra.provision.ssh import Host

LOOK = "look at the node: `docker ps -a` and `journalctl -u edgedrop-slots` there; --again tries this release once more"


class Watch(Protocol):
    """Who is told how one node goes."""

    def say(self, line: str) -> None:
        """One line."""

    def pulls(self, total: int) -> None:
        """So many bytes of images at most."""

    def pulled(self, size: int) -> None:
        """So many more."""

    def has_all(self) -> None:
        """Layers that the box had were never asked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """`override` is what makes its release count from when it begins, None where that is the wanted one."""

    drop: str
    geo: Geography
    node: Node
    host: Host
    cargo: Cargo
    override: Override | None
    why: str
    again: bool

    @property
    def trail(self) -> str:
        """For the audit trail."""
        return f"release {self.release[:12]}" + (f": {self.why}" if self.why else "")

    @property
    def release(self) -> str:
        """By its digest."""
        return self.cargo.release.digest


def make_job(source: Source, geo: Geography, node: Node, override: Override | None, why: str, *, again: bool) -> Job:
    """Nothing is asked of the box; NotVerified where what stands on record of it is not the owner's word."""
    drop = source.stack.drop_stack
    overrides.read(drop, node.name)
    host = Host.of_node(stacks.holder(drop, geo.name).name, node)
    if node.host_key is not None:
        host.pin(node.host_key)
    return Job(drop, geo, node, host, source.cargo(node, host), override, why, again)


def carry_out(job: Job, watch: Watch) -> Told:
    """To its end, whichever that is: `judge` says whether it is the one that was wanted."""
    with session(job.host) as opened:
        box = Installer(opened)
        if not box.current(job.cargo.pyz, job.cargo.document.registry):
            _ground(job, watch)
        state = box.tell().state
        if state.phase == "rolled back":
            _record(job, state)  # perhaps nobody watched
        before = overrides.read(job.drop, job.node.name)
        if state.phase in UNDER_WAY:
            watch.say("one was begun before: this goes on with it")
            box.go_on()
        else:
            _stage(job, box, watch)
        with aside(job.drop, job.geo, job.node.name):
            if box.tell().state.phase == "staged":
                overrides.put(job.drop, job.node.name, job.override)
                box.begin()
            _follow(box, watch)
        ended = box.tell()
    _record(job, ended.state, before)
    return ended


def judge(job: Job, state: State) -> None:
    """EdgedropError where the node is not on the job's release."""
    if state.phase != "committed":
        raise EdgedropError(
            f"release {state.release[:12]} failed on {job.node.name}: {state.why}; the old one is back", LOOK
        )
    if state.release != job.release:
        raise EdgedropError(
            f"{job.node.name} went on with release {state.release[:12]}, which was begun before", "type the same again"
        )


def _record(job: Job, state: State, before: Override | None = None) -> None:
    """What failed there; what counted `before` counts again, if that is not what failed."""
    failed = state.phase != "committed"
    failures.note(job.drop, state.release, job.node.name, state.why if failed else "")
    back = before if before and before.release != state.release else None
    stands = overrides.read(job.drop, job.node.name)
    if failed and (back or (stands and stands.release == state.release)):
        overrides.put(job.drop, job.node.name, back)


def _ground(job: Job, watch: Watch) -> None:
    """What must be on a box before: folders, an engine that knows the registry, the installer."""
    watch.say("the box gets its ground first")
    document = job.cargo.document
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / installer.NAME).write_bytes(job.cargo.pyz)
        shared = {"edgedrop_containers": document.containers, "edgedrop_registry": document.registry}
        play(job.host, "reimage.yml", hostvars(job.host, shared, Path(folder)), watch.say)
    watch.say(f"its recovery agent, where that was wiped too: edgedrop up {job.drop}, once it sells")


def _stage(job: Job, box: Installer, watch: Watch) -> None:
    """All that the box lacks is there, and nothing has changed for its buyers."""
    lacks = box.lacks(job.cargo.document, again=job.again)
    if lacks.refused:
        raise EdgedropError(f"{job.node.name}: {lacks.refused}", "nothing was changed")
    wanted = {digest: name for name, digest in job.cargo.document.files.items()}
    files = {digest: job.cargo.file(wanted[digest]) for digest in lacks.files}
    if lacks.images:
        watch.pulls(_size(job.cargo, lacks.images))
        box.pull(job.cargo.document.registry, lacks.images, job.cargo.source, watch.pulled)
    watch.has_all()
    box.stage(job.cargo.document, job.cargo.envelope, files, again=job.again)
    watch.say(f"staged: {len(lacks.images)} images and {len(files)} files were not there")


def _size(cargo: Cargo, references: list[str]) -> int:
    """Bytes of all parts of these images, each part once."""
    named = (images.split(one.removeprefix(f"{cargo.document.registry}/")) for one in references)
    parts = (part for name, digest in named for part in images.parse(cargo.source.manifest(name, digest)).parts)
    return sum({part.digest: part.size for part in parts}.values())


def _follow(box: Installer, watch: Watch) -> None:
    begun = time.monotonic()
    for state in box.phases():
        watch.say(f"{time.monotonic() - begun:3.0f} s  {state.phase}{f': {state.why}' if state.why else ''}")
