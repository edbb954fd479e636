"""The stacks' state in Pulumi's file backend, where a SIGKILL or a power cut may have left half of a file."""

from __future__ import annotations

import json
from pathlib import Path

from infra.stacks import backend


def checkpoint(stack: str) -> Path:
    """The stack's state in the file backend; no such file with another backend."""
    return _kept(stack) / "stacks" / "edgedrop" / f"{stack}.json"


def cut_short(state: Path) -> bool:
    """Whether half a file stands there."""
    try:
        json.loads(state.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def half_twins(stack: str | None = None) -> list[Path]:
    """Beside each file the backend keeps its attributes in a twin, written in place: half of one, and no `pulumi` runs.

    Whichever stack of the same backend it belongs to: to list the stacks all of them are read.
    """
    return sorted(path for path in _kept(stack).rglob("*.attrs") if cut_short(path))


def half_written(stack: str | None = None) -> list[str]:
    """The stacks that a `pulumi` trips over, whatever stack of the same backend it is asked for."""
    states = [path for path in (_kept(stack) / "stacks" / "edgedrop").glob("*.json") if cut_short(path)]
    return sorted({path.name.partition(".json")[0] for path in (*states, *half_twins(stack))})


def restore(state: Path) -> None:
    """Take the newest whole copy. What it doesn't know yet is swept as stray; with no copy the stack begins anew."""
    copies = [state.with_name(state.name + ".bak")]
    copies += sorted((state.parents[2] / "backups" / "edgedrop" / state.stem).glob("*.json"), reverse=True)
    for copy in copies:
        if copy.exists() and not cut_short(copy):
            state.write_bytes(copy.read_bytes())
            return
    state.unlink()


def _kept(stack: str | None) -> Path:
    return backend(stack) / ".pulumi"
