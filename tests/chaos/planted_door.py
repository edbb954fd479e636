"""The door with one bug of this list planted: `planted_door <name>`. A harness that misses one proves nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import msgspec

from node_image.recovery import door
from node_image.recovery.answer import Record, Taken
from node_image.recovery.memory import Memory

KEEP, READ = Memory.keep, Memory.read


def act_before_it_is_remembered() -> None:
    """Only the end is written down."""

    def late(self: Memory, taken: Taken, *, acts: bool) -> None:
        if taken.state != "begun":
            KEEP(self, taken, acts=acts)

    Memory.keep = late  # type: ignore[method-assign]


def forget() -> None:
    """Every command is the first."""

    def read(_: Memory) -> Record:
        return Record()

    setattr(Memory, "read", read)  # noqa: B010  mypy knows the parameter by another name


def write_over() -> None:
    """The memory is written where it lies, in two halves."""

    def halves(self: Memory, taken: Taken, *, acts: bool) -> None:
        data = msgspec.json.encode(Record(taken, taken if acts else None))
        with self._path.open("wb") as file:
            for half in (data[: len(data) // 2], data[len(data) // 2 :]):
                file.write(half)
                file.flush()
                os.fsync(file.fileno())

    Memory.keep = halves  # type: ignore[method-assign]


def try_again() -> None:
    """What was begun may be done anew."""

    def read(self: Memory) -> Record:
        found = READ(self)
        begun = found.newest is not None and found.newest.state == "begun"
        return msgspec.structs.replace(found, newest=None) if begun else found

    Memory.read = read  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "acts before it is remembered": act_before_it_is_remembered,
    "forgets what it took": forget,
    "writes its memory over": write_over,
    "tries again what was begun": try_again,
}

if __name__ == "__main__":
    BUGS[sys.argv[1]]()
    sys.exit(door.main())
