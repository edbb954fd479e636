from pathlib import Path

import pytest

from tests.unit.recovery.box import FakeBox, make_box


@pytest.fixture
def box(tmp_path: Path) -> FakeBox:
    """A box that never took a command."""
    return make_box(tmp_path / "box")
