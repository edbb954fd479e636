"""What this machine knows of a stack: `edgedrop up` writes it once, a bare `pulumi up` reads the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from infra.errors import StackNotUp
from infra.home import forget_private, home, place, write_private

LAB = "lab"
ELASTIC = ".elastic"  # how the name of a stack ends that only the hub updates
RANK = ("lab", "drop", "geography", "elastic")  # the order of standing up; taking down goes the other way


class Stack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Pulumi stack; `slot` is the second byte of its addresses (docs/architecture.md)."""

    name: str
    kind: Literal["lab", "drop", "geography", "elastic"]
    slot: int
    lab: str = ""  # the lab that a drop uses
    drop: str = ""  # the drop's name: in grant ids, subjects, facts
    drop_file: str = ""
    drop_stack: str = ""  # of a geography's or an elastic one: the stack that holds the contract; else the stack itself
    geography: str = ""  # of a split drop: the one that this stack holds; of an elastic one: whose spares
    split: bool = False  # the geographies are in stacks of their own


def save(stack: Stack) -> None:
    """Keep it."""
    write_private(_path(stack.name), msgspec.json.encode(stack))


def load(name: str) -> Stack:
    """What the stack is, or StackNotUp where nobody has said so yet."""
    found = find(name)
    if found is None:
        raise StackNotUp(f"stack {name} was never brought up from this machine", f"type: edgedrop up {name}")
    return found


def find(name: str) -> Stack | None:
    """What the stack is, None where nobody has said so yet."""
    path = _path(name)
    return msgspec.json.decode(path.read_bytes(), type=Stack) if path.exists() else None


def known() -> tuple[Stack, ...]:
    """All stacks that this state folder knows, in the order of standing up."""
    found = (load(path.stem) for path in sorted((home() / "stacks").glob("*.json")))
    return tuple(sorted(found, key=lambda stack: RANK.index(stack.kind)))


def of_drop(name: str) -> tuple[Stack, ...]:
    """A drop's stack and, where it is split, those of its geographies."""
    return tuple(stack for stack in known() if stack.drop_stack == name)


def holder(drop: str, geography: str, *, elastic: bool = False) -> Stack:
    """The stack of a drop that holds a geography's nodes, or its elastic spares; one of its own where it is split."""
    if elastic:
        return elastic_of(load(drop), geography)
    return next(
        stack
        for stack in of_drop(drop)
        if stack.kind != "elastic" and stack.geography == (geography if stack.split else "")
    )


def elastic_of(whole: Stack, geography: str) -> Stack:
    """The stack of a geography's spares above `min`; `whole` is the drop's."""
    name = f"{whole.name}.{geography}{ELASTIC}"
    return msgspec.structs.replace(whole, name=name, kind="elastic", geography=geography, split=False)


def backend(stack: str | None = None) -> Path:
    """The folder of the Pulumi backend that holds the stack: what only the hub updates is in the hub's own."""
    return place("hub", "pulumi") if (stack or "").endswith(ELASTIC) else place("pulumi")


def drops() -> tuple[str, ...]:
    """The drops that this machine brought up."""
    return tuple(stack.name for stack in known() if stack.kind == "drop")


def forget(name: str) -> None:
    """The stack is gone."""
    forget_private(_path(name))


def _path(name: str) -> Path:
    return place("stacks", f"{name}.json")
