"""What the signer's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.signer.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A machine in the midst of the window."""
    made = Box(tmp_path)
    yield made
    for file in made.files.values():
        file.close()
