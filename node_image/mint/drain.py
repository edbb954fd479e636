"""Whether the box was told to take no new claims: its door says so in a file (node_image/recovery/drained.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node_image.recovery import drained


@dataclass(slots=True)
class Drain:
    """`folder` is where the node's services meet; the file is read again when it was written again."""

    folder: Path = Path("/run/edgedrop")
    _written: int = 0
    _reason: str = ""

    def stopped(self) -> str:
        """Why no new claim is taken; empty where they are."""
        try:
            written = (self.folder / drained.FILE).lstat().st_mtime_ns
        except OSError:
            return ""
        if written != self._written:
            self._written, self._reason = written, drained.read(self.folder)
        return self._reason
