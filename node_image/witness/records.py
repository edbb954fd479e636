"""What a witness at the site knows: of each grant the newest mark that its node told, in a file of its own.

A file is replaced whole and synced before anybody hears of it; a restart reads what is there, so a kill loses nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from node_image import durable
from node_image.protocol.eip712 import grant_id
from node_image.protocol.witness import Count, Mark, Word
from node_image.service import log

MAX_EPOCH = 1000  # a node fills its witness's disk with no more files than this
Epoch = Annotated[int, Meta(ge=1, le=MAX_EPOCH)]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest that a node told of its journal of one epoch."""

    drop: str
    node: str
    epoch: Epoch
    journal_seq: Count
    next_batch: Count
    head: Word

    @classmethod
    def of(cls, drop: str, node: str, epoch: int, mark: Mark) -> Record:
        """Its mark as people read it."""
        return cls(drop, node, epoch, mark.journal_seq, mark.next_batch, "0x" + mark.head.hex())

    @property
    def grant_id(self) -> str:
        """It follows from the names: so nobody can tell of a grant in another's place."""
        return "0x" + grant_id(self.drop, self.node, self.epoch).hex()


class Records:
    """By grant. A mark never goes back, whatever is told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held = {found.grant_id: found for path in sorted(folder.glob("*.json")) if (found := _read(path))}

    def of(self, grant_id: str) -> Record | None:
        """What was told last of this grant."""
        return self._held.get(grant_id)

    def keep(self, told: Record) -> bool:
        """Durable from now on; False where more is known of the grant, or another head there. OSError."""
        held = self.of(told.grant_id)
        if held is not None and told.journal_seq <= held.journal_seq:
            return told == held
        durable.write(self._folder / f"{told.grant_id}.json", msgspec.json.encode(told))
        self._held[told.grant_id] = told
        return True


def _read(path: Path) -> Record | None:
    """None of a damaged one: a witness that can't say what it saw vouches for nothing until it is told anew."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Record)
    except msgspec.DecodeError as fault:
        log("a record is damaged", level="error", file=path.name, reason=str(fault))
        return None
    return found if path.stem == found.grant_id else None
