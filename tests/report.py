"""Where benches and chaos runs put what they found: build/<kind>/<name>.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from infra.home import ROOT


def write(kind: str, name: str, found: Sequence[object]) -> Path:
    """A list, for machines."""
    folder = ROOT / "build" / kind
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(found, indent=1) + "\n")
    return file
