"""The Pulumi CLI as `edgedrop` calls it: one environment, one way to run, one way to read what it knows."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.errors import EdgedropError, MissingTool, StackNotUp
from infra.home import ROOT, cache, home, write_private
from infra.ops import state_file
from infra.stacks import backend

READ_S = 60
PLAIN = ("--non-interactive", "--suppress-progress")


def environment(stack: str | None = None) -> dict[str, str]:
    """What a `pulumi` needs to find this project's tools, state and passphrase (also printed by `edgedrop env`).

    For a stack that only the hub updates: the hub's backend and passphrase, whatever this shell is set to.
    """
    kept = backend(stack)
    kept.mkdir(mode=0o700, exist_ok=True)
    own = f"file://{kept}"
    return {
        "PATH": f"{ROOT / '.venv' / 'bin'}:{cache() / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "EDGEDROP_HOME": str(home()),
        "ANSIBLE_CONFIG": str(ROOT / "playbooks" / "ansible.cfg"),
        "GRPC_ENABLE_FORK_SUPPORT": "0",  # dynamic providers start ansible: gRPC would warn of each fork
        "PULUMI_BACKEND_URL": own if kept != backend() else os.environ.get("PULUMI_BACKEND_URL") or own,
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(_passphrase(kept.with_name("passphrase"))),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def _passphrase(path: Path) -> Path:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return path


def run(*arguments: str, stack: str | None = None, prefix: str = "") -> int:
    """Run `pulumi` with its output on our stderr; Ctrl-C reaches it as it would by hand. The exit code.

    A person at a terminal gets Pulumi's own live tree. `prefix` stands before each line where several stacks are
    brought up side by side.
    """
    live = not prefix and sys.stderr.isatty()
    command = [*_command(arguments, stack), *(() if live else PLAIN)]
    told = subprocess.PIPE if prefix else sys.stderr
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment(stack), stdout=told, text=True) as process:
        while True:
            try:
                for line in process.stdout or ():
                    sys.stderr.write(prefix + line)
                return process.wait()
            except KeyboardInterrupt:
                continue  # the terminal has sent it to pulumi as well; pulumi decides when it is over


def read(*arguments: str, stack: str | None = None, beside: str | None = None) -> str:
    """Run `pulumi` quietly and give what it printed; an EdgedropError with its last words where it failed.

    `beside` names a stack whose backend is meant, where the arguments take none.
    """
    command, env = [*_command(arguments, stack), "--non-interactive"], os.environ | environment(stack or beside)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=READ_S, check=False)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        cut = state_file.half_written(stack or beside)
        hint = f"type: edgedrop heal {cut[0]}" if cut else "type: edgedrop doctor"
        raise EdgedropError(f"{' '.join(command)}: {words[-1] if words else done.returncode}", hint)
    return done.stdout


def stack_names(beside: str | None = None) -> set[str]:
    """The stacks that the backend holds, or the one that `beside` is in."""
    return {entry["name"].rsplit("/", 1)[-1] for entry in json.loads(read("stack", "ls", "--json", beside=beside))}


def export(stack: str) -> dict[str, Any]:
    """The stack's state, secrets still encrypted."""
    state: dict[str, Any] = json.loads(read("stack", "export", stack=stack))
    return state


def forget(stack: str) -> None:
    """Sweep what the file backend keeps of a stack that was removed: copies of its state, history, lock folder."""
    for kind in ("stacks", "history", "backups", "locks/organization"):
        folder = backend(stack) / ".pulumi" / kind / "edgedrop"
        for path in (folder / stack, *folder.glob(f"{stack}.json*")):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def outputs(stack: str) -> dict[str, Any]:
    """The stack's outputs; StackNotUp where there is no such stack or it has none yet."""
    if stack not in stack_names():
        raise StackNotUp(f"stack {stack} is not up", f"type: edgedrop up {stack}")
    found: dict[str, Any] = json.loads(read("stack", "output", "--json", stack=stack))
    if not found:
        raise StackNotUp(f"stack {stack} was begun and never finished", f"type: edgedrop up {stack}")
    return found


def binary() -> Path:
    """The `pulumi` that is used, or MissingTool."""
    tools = environment()["PATH"].split(":")
    found = next((Path(folder) / "pulumi" for folder in tools if (Path(folder) / "pulumi").exists()), None)
    if found is None:
        raise MissingTool("pulumi is not on this machine", "type: make setup")
    return found


def _command(arguments: tuple[str, ...], stack: str | None) -> list[str]:
    return [str(binary()), *arguments, *(("--stack", stack) if stack else ())]
