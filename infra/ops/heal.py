"""`edgedrop heal`: after a killed `pulumi up`. Lifts dead locks, ends orphans by pid, sweeps what the state lacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.errors import StackLocked
from infra.home import home
from infra.labels import STACK_LABEL
from infra.ops import pulumi_cli
from infra.ops.output import confirm, say

PROVIDER_WORDS = ("pulumi-resource-", "pulumi-language-", "pulumi.dynamic", "ansible-playbook")
END_S = 5


def heal(
    stack: Annotated[str, typer.Argument(help="The stack whose `up` was killed.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Bring a stack back to where `pulumi up` converges."""
    found = find(stack)
    for line in found.lines():
        say(f"{stack}: {line}")
    if not found.lines():
        say(f"{stack}: nothing to heal")
        return
    confirm(f"mend {stack} as listed", yes=yes)
    mend(stack)
    say(f"{stack}: healed; type: edgedrop up {stack}")


@dataclass(frozen=True, slots=True)
class Ills:
    """What a killed run left behind."""

    locks: tuple[Path, ...]
    orphans: tuple[int, ...]
    pending: int
    strays: tuple[tuple[str, str], ...]  # (container | network | volume, name)
    cut_state: bool = False

    def lines(self) -> list[str]:
        """One line an ill, in words."""
        return [
            *(["a state file that was cut short: its last whole copy is taken"] if self.cut_state else []),
            *(f"a lock that a dead run left: {lock.name}" for lock in self.locks),
            *(f"an orphaned provider process: pid {pid}" for pid in self.orphans),
            *([f"{self.pending} operations begun and never finished"] if self.pending else []),
            *(f"a {kind} that the state doesn't know: {name}" for kind, name in self.strays),
        ]


def find(stack: str, *, gone: bool = False) -> Ills:
    """Look, change nothing. `gone` says that the stack has no state any more, so all with its label is stray."""
    if cut_short(checkpoint(stack)):
        return Ills(locks=_dead_locks(stack), orphans=tuple(_orphans()), pending=0, strays=(), cut_state=True)
    held = stack in pulumi_cli.stack_names() and not gone
    state = pulumi_cli.export(stack) if held else {}
    deployment = state.get("deployment") or {}
    return Ills(
        locks=_dead_locks(stack),
        orphans=tuple(_orphans()),
        pending=len(deployment.get("pending_operations") or ()),
        strays=tuple(strays(_labelled(stack), deployment)),
    )


def mend(stack: str, *, gone: bool = False) -> None:
    """End, lift, clear and sweep, in this order: an orphan that still creates must not create behind the sweep."""
    ills = find(stack, gone=gone)
    for pid in ills.orphans:
        _end(pid)
    for lock in ills.locks:
        for file in (lock, lock.with_name(f"{lock.name}.attrs")):  # the file backend writes two
            file.unlink(missing_ok=True)
    if ills.cut_state:
        restore(checkpoint(stack))
    if find(stack, gone=gone).pending:
        _clear_pending(stack)
    for kind, name in find(stack, gone=gone).strays:
        _remove(kind, name)


def checkpoint(stack: str) -> Path:
    """The stack's state in the file backend; no such file with another backend."""
    return home() / "pulumi" / ".pulumi" / "stacks" / "edgedrop" / f"{stack}.json"


def cut_short(state: Path) -> bool:
    """The file backend writes in place: a SIGKILL in the midst leaves half a file, and then no `pulumi` runs at all."""
    try:
        json.loads(state.read_text())
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def restore(state: Path) -> None:
    """Take the newest whole copy. What it doesn't know yet is swept as stray; with no copy the stack begins anew."""
    copies = [state.with_name(state.name + ".bak")]
    copies += sorted((state.parents[2] / "backups" / "edgedrop" / state.stem).glob("*.json"), reverse=True)
    for copy in copies:
        if copy.exists() and not cut_short(copy):
            state.write_bytes(copy.read_bytes())
            return
    state.unlink()


def strays(labelled: list[tuple[str, str, str]], deployment: dict[str, Any]) -> list[tuple[str, str]]:
    """What carries the label and is in no state: containers first, then networks and volumes. Pure."""
    ids = {resource.get("id") for resource in deployment.get("resources") or ()}
    order = ("container", "network", "volume")
    loose = [(kind, name) for kind, name, id_ in labelled if id_ not in ids and name not in ids]
    return sorted(loose, key=lambda item: (order.index(item[0]), item[1]))


def _labelled(stack: str) -> list[tuple[str, str, str]]:
    label = f"label={STACK_LABEL}={stack}"
    found = [
        ("container", *line)
        for line in _docker_lines("ps", "-a", "--no-trunc", "--filter", label, "--format", "{{.Names}} {{.ID}}")
    ]
    found += [
        ("network", *line)
        for line in _docker_lines("network", "ls", "--no-trunc", "--filter", label, "--format", "{{.Name}} {{.ID}}")
    ]
    found += [
        ("volume", *line)
        for line in _docker_lines("volume", "ls", "--filter", label, "--format", "{{.Name}} {{.Name}}")
    ]
    return found


def _docker_lines(*arguments: str) -> list[tuple[str, str]]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=30, check=True)
    return [(line.split()[0], line.split()[1]) for line in done.stdout.splitlines()]


def _remove(kind: str, name: str) -> None:
    arguments = {
        "container": ["rm", "-fv", name],
        "network": ["network", "rm", name],
        "volume": ["volume", "rm", "-f", name],
    }
    subprocess.run(["docker", *arguments[kind]], capture_output=True, timeout=60, check=False)


def _dead_locks(stack: str) -> tuple[Path, ...]:
    """Locks of the file backend whose holder is dead; one whose holder lives stops us."""
    folder = home() / "pulumi" / ".pulumi" / "locks" / "organization" / "edgedrop" / stack
    locks = tuple(folder.glob("*.json")) if folder.is_dir() else ()
    for lock in locks:
        holder = json.loads(lock.read_text() or "{}")
        if _is_pulumi(int(holder.get("pid") or 0)):
            raise StackLocked(
                f"{stack} is held by a run that is alive (pid {holder['pid']})", "wait for it, or Ctrl-C it"
            )
    return locks


def _is_pulumi(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi" and _lives(pid)
    except OSError:
        return False


def _lives(pid: int) -> bool:
    """Whether it runs: a process that was killed and that nobody has reaped yet holds nothing any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _orphans() -> list[int]:
    """Providers and plays of this state folder whose `pulumi` is dead: no ancestor of theirs is a pulumi."""
    return [pid for pid in _pids() if _ours(pid) and not any(_is_pulumi(parent) for parent in _ancestors(pid))]


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _ours(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        told = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return any(word in words for word in PROVIDER_WORDS) and f"EDGEDROP_HOME={home()}".encode() in told.split(b"\0")


def _ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
        found.append(pid)
    return found


def _end(pid: int) -> None:
    """Ask, wait, insist: only processes that `_orphans` named."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, wanted)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline and _lives(pid):
            time.sleep(0.05)


def _clear_pending(stack: str) -> None:
    state = pulumi_cli.export(stack)
    state["deployment"].pop("pending_operations", None)
    file = home() / f"{stack}.healed.json"
    file.write_text(json.dumps(state))
    try:
        pulumi_cli.read("stack", "import", "--file", str(file), stack=stack)
    finally:
        file.unlink(missing_ok=True)
