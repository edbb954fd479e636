"""A stolen lease key with COUNT vouchers of each kind, and cloned keys that sign one number twice (tests/e2e)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.chaos.outcome import Outcome
from tests.e2e.stolen_key import exercise, stage, twice

COUNT = int(os.environ.get("COUNT", "1000"))
CLONES = int(os.environ.get("CLONES", "20"))
WITHIN_S = 5.0


def run() -> list[Outcome]:
    """Each line: how many were tried, and how many came out as they must not."""
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder), 4 * COUNT + 10 * CLONES) as on:
        seen = exercise(on, COUNT)
        times = sorted(twice(on, f"quay-spare{n}", 4 * COUNT + 1 + 10 * n) for n in range(CLONES))
    late = sum(took > WITHIN_S for took in times)
    clones = f"frozen after {times[len(times) // 2]:.2f} s (median), {times[-1]:.2f} s at most"
    return [
        Outcome("honest, anchored, after the freeze", COUNT, COUNT - seen.anchored, detail="all redeem"),
        Outcome("honest, not anchored, before the supplement", COUNT, seen.unanchored_before, detail="none redeems"),
        Outcome("honest, not anchored, after it", COUNT, COUNT - seen.unanchored_after, detail="all redeem"),
        Outcome("forged, backdated included, before and after", 2 * COUNT, seen.forged, detail="none redeems"),
        Outcome("a cloned key signs one number twice", CLONES, late, detail=clones),
    ]
