"""`edgedrop heal`: after a killed `pulumi up`. Lifts dead locks, ends orphans by pid, sweeps what the state lacks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from infra import stacks
from infra.errors import BadUsage, StackLocked
from infra.home import home
from infra.ops import pulumi_cli
from infra.ops.orphans import end, is_pulumi, orphans
from infra.ops.output import confirm, say
from infra.ops.state_file import checkpoint, cut_short, half_twins, restore
from infra.ops.strays import inside, labelled, remove, remove_inside, strays
from infra.provision.ssh import Host


def heal(
    stack: Annotated[str, typer.Argument(help="The stack whose `up` was killed.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Bring a stack back to where `pulumi up` converges."""
    found = find(stack)
    if not found.lines() and not known(stack):
        names = ", ".join(one.name for one in stacks.known()) or "none"
        raise BadUsage(f"nothing here is called {stack}", f"stacks of this machine: {names}")
    for line in found.lines():
        say(f"{stack}: {line}")
    if not found.lines():
        say(f"{stack}: nothing to heal")
        return
    confirm(f"mend {stack} as listed", yes=yes)
    mend(stack)
    say(f"{stack}: healed; type: edgedrop up {stack}")


def known(stack: str) -> bool:
    """To this machine, or to the backend."""
    return stacks.find(stack) is not None or stack in pulumi_cli.stack_names(stack)


@dataclass(frozen=True, slots=True)
class Ills:
    """What a killed run left behind."""

    locks: tuple[Path, ...]
    orphans: tuple[int, ...]
    pending: int
    strays: tuple[tuple[str, str], ...]  # (container | network | volume, name)
    inside: tuple[tuple[Host, str], ...] = ()  # containers on spares' own engines
    cut_state: bool = False
    half_twins: tuple[Path, ...] = ()  # of any stack's files: they keep every `pulumi` from running

    def lines(self) -> list[str]:
        """One line an ill, in words."""
        return [
            *(["a state file that was cut short: its last whole copy is taken"] if self.cut_state else []),
            *(f"attributes of a state file that were cut short: {path.name}" for path in self.half_twins),
            *(f"a lock that a dead run left: {lock.name}" for lock in self.locks),
            *(f"an orphaned provider process: pid {pid}" for pid in self.orphans),
            *([f"{self.pending} operations begun and never finished"] if self.pending else []),
            *(f"a {kind} that the state doesn't know: {name}" for kind, name in self.strays),
            *(f"a container on {host.node} that the state doesn't know: {name}" for host, name in self.inside),
        ]


def find(stack: str, *, gone: bool = False) -> Ills:
    """Look, change nothing. `gone` says that the stack has no state any more, so all with its label is stray."""
    cut, twins = cut_short(checkpoint(stack)), tuple(half_twins(stack))
    if cut or twins:  # until these are whole, Pulumi tells nothing
        locks, dead = _dead_locks(stack), tuple(orphans())
        return Ills(locks, dead, pending=0, strays=(), cut_state=cut, half_twins=twins)
    held = stack in pulumi_cli.stack_names(stack) and not gone
    state = pulumi_cli.export(stack) if held else {}
    deployment = state.get("deployment") or {}
    return Ills(
        locks=_dead_locks(stack),
        orphans=tuple(orphans()),
        pending=len(deployment.get("pending_operations") or ()),
        strays=tuple(strays(labelled(stack), deployment)),
        inside=tuple(inside(stack, state)),
    )


def mend(stack: str, *, gone: bool = False) -> None:
    """End, lift, clear and sweep, in this order: an orphan that still creates must not create behind the sweep."""
    ills = find(stack, gone=gone)
    for pid in ills.orphans:
        end(pid)
    for lock in ills.locks:
        for file in (lock, lock.with_name(f"{lock.name}.attrs")):  # the file backend writes two
            file.unlink(missing_ok=True)
    for twin in ills.half_twins:
        twin.unlink(missing_ok=True)  # the backend does without; it writes a new one with the next file
    if ills.cut_state:
        restore(checkpoint(stack))
    if ills.cut_state or ills.half_twins:
        ills = find(stack, gone=gone)
    if ills.pending:
        _clear_pending(stack)
    left = find(stack, gone=gone)
    for host, name in left.inside:
        remove_inside(host, name)
    for kind, name in left.strays:
        remove(kind, name)


def _dead_locks(stack: str) -> tuple[Path, ...]:
    """Locks of the file backend whose holder is dead; one whose holder lives stops us."""
    folder = stacks.backend(stack) / ".pulumi" / "locks" / "organization" / "edgedrop" / stack
    locks = tuple(folder.glob("*.json")) if folder.is_dir() else ()
    for lock in locks:
        pid = _holder(lock)
        if is_pulumi(pid):
            raise StackLocked(f"{stack} is held by a run that is alive (pid {pid})", "wait for it, or Ctrl-C it")
    return locks


def _holder(lock: Path) -> int:
    """The pid in a lock; 0 for one that a power cut left empty: whoever wrote it is dead."""
    try:
        return int(json.loads(lock.read_text()).get("pid") or 0)
    except ValueError:
        return 0


def _clear_pending(stack: str) -> None:
    state = pulumi_cli.export(stack)
    state["deployment"].pop("pending_operations", None)
    file = home() / f"{stack}.healed.json"
    file.write_text(json.dumps(state))
    try:
        pulumi_cli.read("stack", "import", "--file", str(file), stack=stack)
    finally:
        file.unlink(missing_ok=True)
