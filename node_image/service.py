"""What all services share: one line of JSON a log record."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def log(event: str, *, level: str = "info", **fields: object) -> None:
    """One record on stderr: time, level, event, and what it is about (drop, geo, node, claim_id)."""
    record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event, **fields}
    sys.stderr.write(json.dumps(record, default=str) + "\n")
    sys.stderr.flush()
