"""Which lab a drop's stack belongs to: written by `edgedrop up`, read by all that asks the hub."""

from __future__ import annotations

from infra.home import home, place, write_private

LAB = "lab"


def lab_of(stack: str) -> str:
    """The lab's stack; the only one most machines have, where nobody said another."""
    path = home() / "labs" / stack
    return path.read_text().strip() if path.exists() else LAB


def keep_lab(stack: str, lab: str) -> None:
    """The stack was brought up in this lab."""
    write_private(place("labs", stack), lab.encode())


def drop_stacks() -> tuple[str, ...]:
    """The drops that this machine brought up."""
    return tuple(sorted(path.name for path in (home() / "labs").glob("*") if path.suffix != ".part"))


def forget_lab(stack: str) -> None:
    """The stack is gone."""
    (home() / "labs" / stack).unlink(missing_ok=True)
