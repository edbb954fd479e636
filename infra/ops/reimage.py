"""`edgedrop reimage <node>`: another release on a node, or the same one whole again; what it has sold stays sold.

Images go through the SSH session, the switch is the box's own affair (node_image/slots): a run that is killed leaves a
node that comes to its end by itself, and the same command tells how it ended.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from infra import installer, stacks
from infra import release as releases
from infra.audit import audited
from infra.bundle import images
from infra.bundle.images import Images, LabRegistry
from infra.bundle.verify import Bundle, open_bundle
from infra.errors import BadUsage, EdgedropError, NotVerified
from infra.node_settings import files_of, hostvars, node_settings
from infra.ops.acting import AsJson, Drop, Yes
from infra.ops.aside import aside
from infra.ops.drops import drop_named, node_named, plan_of
from infra.ops.output import answer, confirm, people, say, tell
from infra.plan import plan_lab
from infra.plan.model import Node
from infra.provision.play import play
from infra.provision.probe import probe
from infra.provision.session import session
from infra.provision.slots import UNDER_WAY, Installer, State, Told
from infra.provision.ssh import Host
from infra.release import Release
from infra.slot import ON_STICK, SlotDocument, slot_document
from infra.stacks import Stack

LOOK = "look at the node: `docker ps -a` and `journalctl -u edgedrop-slots` there; --again tries this release once more"


@dataclass(frozen=True, slots=True)
class Cargo:
    """What the node is to get, and who has its images and files."""

    document: SlotDocument
    release: Release
    source: Images
    envelope: bytes
    pyz: bytes
    folder: Path  # the node's files on this machine, which alone has those that hold secrets
    stick: Bundle | None = None  # that has the others

    def file(self, name: str) -> bytes:
        """A file of the node's with the digest that is wanted; NotVerified where nobody has it."""
        digest = self.document.files[name]
        if self.stick is not None and name in ON_STICK:
            return self.stick.file(digest)
        path = self.folder / name
        data = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            raise NotVerified(
                f"{name} is neither on {self.document.node} nor here as it is wanted",
                "it holds a secret, which no stick carries: bring this node up where the drop's state is",
            )
        return data


def reimage(
    node: Annotated[str, typer.Argument(help="An appliance of the drop.")],
    drop: Drop = None,
    release: Annotated[
        str | None, typer.Option(help="`current`, or the first digits of a release; else what the drop file wants.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="Take all from this bundle: no uplink is needed.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also a release that failed on this node before.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a release on a node: it is committed when the node is well on it, else the old one is back by itself."""
    if bundle is not None and release is not None:
        raise BadUsage("--release with --bundle: a bundle holds one release", "leave one of the two out")
    stack, place = _place(drop, node)
    host = Host.of_node(stacks.holder(stack.drop_stack, place.geo).name, place)
    if place.host_key is not None:
        host.pin(place.host_key)
    with ExitStack() as open_until_done:
        cargo = (
            _from_bundle(bundle, stack, place, host)
            if bundle
            else _from_lab(open_until_done.enter_context(httpx.Client(trust_env=False)), release, stack, place, host)
        )
        box = Installer(open_until_done.enter_context(session(host)))
        _say_what_will_be(host, cargo)
        confirm(f"re-image {node}", yes=yes)
        begun = time.monotonic()
        with audited("reimage", stack.drop_stack, [node], f"release {cargo.release.digest[:12]}"):
            ended = _to_its_end(stack, place, box, cargo, again=again)
            _report(place, cargo, ended, time.monotonic() - begun, as_json=as_json)


def _place(drop: str | None, name: str) -> tuple[Stack, Node]:
    stack = drop_named(drop)
    _, found = node_named(plan_of(stack), name)
    if found.kind != "appliance":
        raise BadUsage(f"{name} is a spare: its containers are Pulumi's", f"type: edgedrop up {stack.name}")
    return stack, found


def _from_bundle(folder: Path, stack: Stack, node: Node, host: Host) -> Cargo:
    """Verified before anything is asked of the node."""
    found = open_bundle(folder, stack.drop_stack, use=True)
    if not found.contents.drop:
        return _cargo(stack, node, host, found.release, found.envelope, found)
    if host.node not in found.nodes:
        raise BadUsage(
            f"the bundle holds nothing for {host.node}", f"make one: edgedrop bundle current --drop {stack.drop_stack}"
        )
    document = found.nodes[host.node]
    pyz = found.file(document.files[installer.NAME])
    kept = files_of(host.stack, host.node)
    return Cargo(document, found.release, found, found.envelope, pyz, kept, stick=found)


def _from_lab(client: httpx.Client, name: str | None, stack: Stack, node: Node, host: Host) -> Cargo:
    lab = stacks.load(stack.lab)
    wanted = releases.named(lab.name, name) if name else releases.wanted(lab.name, plan_of(stack).release)
    source = LabRegistry(client, plan_lab(lab.slot).registry_push)
    return _cargo(stack, node, host, wanted, releases.envelope(wanted.digest), source)


def _cargo(stack: Stack, node: Node, host: Host, release: Release, envelope: bytes, source: Images) -> Cargo:
    """With what this machine would give the node now."""
    hub = plan_lab(stacks.load(stack.lab).slot)
    settings = node_settings(plan_of(stack), node, host.stack, hub, release)
    return Cargo(slot_document(settings), release, source, envelope, installer.installer(), settings.folder)


def _say_what_will_be(host: Host, cargo: Cargo) -> None:
    said = probe(host)
    told = (said.remembered.get("told") or {}).get("release", "") if said else ""
    now = f"release {told[:12]}" if told else "no release of ours"
    whence = "the lab's registry" if isinstance(cargo.source, LabRegistry) else "the bundle"
    say(f"{host.node} runs {now}; this puts {cargo.release.digest[:12]} there, from {whence}, through SSH")
    say("its journal and its key stay; if it is not well on it within a minute, what runs now is back by itself")


def _to_its_end(stack: Stack, node: Node, box: Installer, cargo: Cargo, *, again: bool) -> Told:
    registry = cargo.document.registry
    if not box.current(cargo.pyz, registry):
        _ground(box.session.host, cargo)
    if box.tell().state.phase in UNDER_WAY:
        say("one was begun before: this goes on with it")
        box.go_on()
    else:
        lacks = box.lacks(cargo.document, again=again)
        if lacks.refused:
            raise EdgedropError(f"{node.name}: {lacks.refused}", "nothing was changed")
        wanted = {digest: name for name, digest in cargo.document.files.items()}
        files = {digest: cargo.file(wanted[digest]) for digest in lacks.files}
        _pull(box, cargo, lacks.images)
        box.stage(cargo.document, cargo.envelope, files, again=again)
        say(f"staged: {len(lacks.images)} images and {len(files)} files were not there")
    geo, _ = node_named(plan_of(stack), node.name)
    with aside(stack.drop_stack, geo, node.name):
        if box.tell().state.phase == "staged":
            box.begin()
        _follow(box)
    return box.tell()


def _ground(host: Host, cargo: Cargo) -> None:
    """What must be on a box before: folders, an engine that knows the registry, the installer."""
    say("the box gets its ground first")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / installer.NAME).write_bytes(cargo.pyz)
        shared = {"edgedrop_containers": cargo.document.containers, "edgedrop_registry": cargo.document.registry}
        play(host, "reimage.yml", hostvars(host, shared, Path(folder)), say)


def _pull(box: Installer, cargo: Cargo, references: list[str]) -> None:
    """The bar is full when all is there: layers that the box has are never asked for."""
    if not references:
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=people) as shown:
        total = _size(cargo, references)
        task = shown.add_task(box.session.host.node, total=total)
        registry = cargo.document.registry
        box.pull(registry, references, cargo.source, lambda size: shown.advance(task, size))
        shown.update(task, completed=total)


def _size(cargo: Cargo, references: list[str]) -> int:
    """Bytes of all parts of these images, each part once."""
    named = (images.split(one.removeprefix(f"{cargo.document.registry}/")) for one in references)
    parts = (part for name, digest in named for part in images.parse(cargo.source.manifest(name, digest)).parts)
    return sum({part.digest: part.size for part in parts}.values())


def _follow(box: Installer) -> None:
    begun = time.monotonic()
    for state in box.phases():
        say(f"{time.monotonic() - begun:3.0f} s  {state.phase}{f': {state.why}' if state.why else ''}")


def _report(node: Node, cargo: Cargo, ended: Told, seconds: float, *, as_json: bool) -> None:
    """What the box says at the end, beside what it said before."""
    state, health = ended.state, ended.health
    if as_json:
        tell(
            {
                "act": "Reimage",
                "node": node.name,
                "release": state.release,
                "phase": state.phase,
                "why": state.why,
                "seconds": round(seconds, 1),
                "before": msgspec.to_builtins(state.before),
                "now": msgspec.to_builtins(health),
            }
        )
    _judge(node, cargo, state)
    if not as_json:
        sells = "it sells" if health.ready else f"it does not sell yet: {health.reason}"
        answer(f"[green]done[/]: {node.name} runs release {state.release[:12]} after {seconds:.0f} s; {sells}")
        for grant, seq in (state.before.journal if state.before else {}).items():
            answer(f"its journal of grant {grant[:12]} stood at {seq} and stands at {health.journal.get(grant)}")


def _judge(node: Node, cargo: Cargo, state: State) -> None:
    if state.phase != "committed":
        raise EdgedropError(
            f"release {state.release[:12]} failed on {node.name}: {state.why}; the old one is back", LOOK
        )
    if state.release != cargo.release.digest:
        raise EdgedropError(
            f"{node.name} went on with release {state.release[:12]}, which was begun before", "type the same again"
        )
