"""One lab and one drop for all end-to-end tests of a run, stood up once by the real command."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.standing import ROOT, Standing, sweep

DROP_FILE = ROOT / "inventory" / "drops" / "harbour-lights.yaml"


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """The stacks are up; whatever happens they are taken away, by `edgedrop down` and then by label."""
    run = uuid.uuid4().hex[:6]
    home: Path = tmp_path_factory.mktemp("home")
    made = Standing(run, home, DROP_FILE)
    try:
        made.up(made.lab, made.drop)
        yield made
    finally:
        made.edgedrop("down", "--all", "--yes", check=False)
        for stack in (made.drop, made.lab):
            sweep(f"edgedrop.stack={stack}")
        shutil.rmtree(home, ignore_errors=True)
