"""What is refused before Pulumi runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import BadUsage
from infra.home import ROOT
from infra.ops.prepare import prepare_drop
from infra.stacks import Stack

DROPS = ROOT / "inventory" / "drops"


def test_a_split_drop_that_lends_spares_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    (tmp_path / "harbour-lights").symlink_to(DROPS / "harbour-lights")
    file = tmp_path / "harbour-lights.yaml"
    file.write_text(f"{(DROPS / 'harbour-lights.yaml').read_text().rstrip()}\n    lends_spares_to: [quay]\n")
    stack = Stack("lights", "drop", 17, "lab", "harbour-lights", str(file), "lights", split=True)
    with pytest.raises(BadUsage, match="in the same stack"):
        prepare_drop(stack)
    assert not (tmp_path / "home").exists()
