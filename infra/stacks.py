"""What this machine knows of a stack: `edgedrop up` writes it once, a bare `pulumi up` reads the same file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from infra.errors import StackNotUp
from infra.home import home, place, write_private


class Stack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Pulumi stack; `slot` is the second byte of its addresses (docs/architecture.md)."""

    name: str
    slot: int


def save(stack: Stack) -> None:
    """Keep it."""
    write_private(_path(stack.name), msgspec.json.encode(stack))


def load(name: str) -> Stack:
    """What the stack is, or StackNotUp where nobody has said so yet."""
    path = _path(name)
    if not path.exists():
        raise StackNotUp(f"stack {name} was never brought up from this machine", f"type: edgedrop up {name}")
    return msgspec.json.decode(path.read_bytes(), type=Stack)


def known() -> tuple[Stack, ...]:
    """All stacks that this state folder knows."""
    return tuple(load(path.stem) for path in sorted((home() / "stacks").glob("*.json")))


def forget(name: str) -> None:
    """The stack is gone."""
    _path(name).unlink(missing_ok=True)


def _path(name: str) -> Path:
    return place("stacks", f"{name}.json")
