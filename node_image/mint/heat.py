"""Whether the node is too hot to take claims: the cooling agent says so in a file (node_image/cooling/told.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node_image.cooling import told


@dataclass(slots=True)
class Heat:
    """`file` is the agent's, read again when it was written again; a node without an agent is never too hot."""

    file: Path = Path("/run/edgedrop") / told.FILE
    _written: int = 0
    _reason: str = ""

    def stopped(self) -> str:
        """Why no claim is taken; empty where they are. An agent that is gone stops nobody."""
        try:
            written = self.file.stat().st_mtime_ns
        except OSError:
            return ""
        if written != self._written:
            said = told.read(self.file)
            self._written, self._reason = written, f"too hot: {said.reason}" if said and said.stopped else ""
        return self._reason if told.is_fresh(written) else ""
