"""The stack's state in Pulumi's file backend, where a SIGKILL may have left half of it."""

from __future__ import annotations

import json
from pathlib import Path

from infra.home import home


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
