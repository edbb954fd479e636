from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.witness.site import Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Nobody stands there yet."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    made = Site(tmp_path)
    yield made
    made.stop(*list(made.running))
