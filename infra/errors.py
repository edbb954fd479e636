"""Every error a person meets, with its exit code and what to do about it.

EdgedropError
├── FaultyFile (2)      a drop, site or lab file: one line a fault, with dotted path and line
├── BadUsage (2)        a flag or argument
├── MissingTool (3)     something this machine lacks
├── StackNotUp (4)      a stack that is wanted is not up
├── StackLocked (4)     another run holds it, or died holding it
├── Unreachable (5)     a node or service that does not answer
├── NotVerified (6)     a signature, digest or host key that is not what it must be
└── NeedNotMet (7)      a box that can't do what a drop will ask of it
"""

from __future__ import annotations


class EdgedropError(Exception):
    """What was wrong, in one sentence, and what would be right."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Both lines: what Pulumi shows of a resource that failed."""
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class FaultyFile(EdgedropError):
    """All faults of one file, found in one reading."""

    exit_code = 2


class BadUsage(EdgedropError):
    """A flag or an argument that cannot be meant."""

    exit_code = 2


class MissingTool(EdgedropError):
    """Something this machine lacks; the hint names the command that mends it."""

    exit_code = 3


class StackNotUp(EdgedropError):
    """A stack that this command needs is not up."""

    exit_code = 4


class StackLocked(EdgedropError):
    """The stack is held by a run that is alive, or by one that died."""

    exit_code = 4


class Unreachable(EdgedropError):
    """A node or a service that does not answer in time."""

    exit_code = 5


class NotVerified(EdgedropError):
    """A signature, digest or host key that is not what it must be."""

    exit_code = 6


class NeedNotMet(EdgedropError):
    """A box of a site that can't do what a drop will ask of it."""

    exit_code = 7
