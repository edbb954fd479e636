"""Harbour Lights with spares at the quay that come and go, as a file; tests plan it and stand nothing up."""

from __future__ import annotations

from pathlib import Path

from infra.home import ROOT
from infra.ops.drops import plan_of_file
from infra.plan.model import DropPlan
from infra.spec import read_drop

DROPS = ROOT / "inventory" / "drops"
RANGE = "spares: {min: 1, max: 3}\n    autoscale: {budget_spare_hours: 6}\n"


def elastic_file(folder: Path) -> Path:
    """One to three spares at the quay."""
    (folder / "harbour-lights").symlink_to(DROPS / "harbour-lights")
    path = folder / "harbour-lights.yaml"
    path.write_text((DROPS / "harbour-lights.yaml").read_text().replace("spares: 1\n", RANGE, 1))
    return path


def elastic_plan(folder: Path) -> DropPlan:
    """Its plan, with what stands on record."""
    path = elastic_file(folder)
    return plan_of_file(path, read_drop(path), stack="harbour-lights", slot=17)
