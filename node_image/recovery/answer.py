"""What a box answers: the door's own words, and the agent's cover around them on the bus."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

ASK = b"?"  # to the door, instead of an envelope: how do you stand?


class Taken(msgspec.Struct, frozen=True):
    """The newest command that was taken; `boot` is the boot it was taken in, `by` the name of the key that signed it.

    It is `begun` on disk before anything is done. Where that is its state and nothing runs, it was cut off: nobody
    knows whether it was done, and it is never done again.
    """

    sequence: int
    do: str
    by: str
    boot: str
    state: Literal["begun", "done", "failed"]
    said: str = ""


class Record(msgspec.Struct, frozen=True):
    """taken.json: the newest command, and the newest that was to change something, so that a look hides no half act."""

    newest: Taken | None = None
    acted: Taken | None = None


class Refused(msgspec.Struct, frozen=True):
    """Nothing was done; `code` as in docs/architecture.md."""

    code: str
    reason: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of a command. `bundle` is a .tar.gz, `status` what the box says of itself."""

    ok: bool
    said: str
    bundle: bytes = b""
    status: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """The door's. `time` is [lo, hi] in Unix seconds, hi null where nothing bounds it; `nonce` is for one command."""

    schema: int
    stack: str
    node: str
    boot: str
    time: tuple[int, int | None]
    newest: Taken | None = None
    acted: Taken | None = None
    running: bool = False
    nonce: str = ""
    refused: Refused | None = None
    outcome: Outcome | None = None


class Reply(msgspec.Struct, frozen=True):
    """The agent's, on the bus: `of` is the SHA-256 (hex) of what was asked; `fault` says why the door said nothing."""

    of: str
    answer: Answer | None = None
    fault: str = ""


def digest(asked: bytes) -> str:
    """What a reply names what it answers by."""
    return hashlib.sha256(asked).hexdigest()
