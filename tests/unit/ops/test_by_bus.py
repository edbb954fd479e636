"""What counts after a release came to run on a node by a command over the bus."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import overrides, stacks
from infra.errors import EdgedropError
from infra.home import ROOT, place, write_private
from infra.ops import by_bus
from infra.stacks import Stack
from tests.unit.bundle.a_bundle import TinyImages, tiny_release

DROP, NODE = "harbour-lights", "quay-appliance1"


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A drop that is up as this machine knows it."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    file = str(ROOT / "inventory" / "drops" / "harbour-lights.yaml")
    made = Stack(DROP, "drop", 17, lab="lab", drop=DROP, drop_file=file, drop_stack=DROP)
    stacks.save(made)
    return made


@pytest.fixture
def releases(stack: Stack) -> tuple[str, str]:
    """The wanted one and another, by digest."""
    wanted, other = tiny_release(TinyImages()).digest, tiny_release(TinyImages(), b"2").digest
    write_private(place("releases", "current", stack.lab), wanted.encode())
    return wanted, other


def test_another_release_than_the_wanted_one_counts_before_the_box_is_told(
    stack: Stack, releases: tuple[str, str]
) -> None:
    wanted, other = releases
    with by_bus.counting(stack, NODE, other):
        told = overrides.read(DROP, NODE)
    assert told is not None
    assert (told, told.release) == (overrides.read(DROP, NODE), other)
    with by_bus.counting(stack, NODE, wanted):
        assert overrides.read(DROP, NODE) is None


def test_where_it_failed_what_counted_before_counts_again(stack: Stack, releases: tuple[str, str]) -> None:
    wanted, other = releases
    with by_bus.counting(stack, NODE, other):
        before = overrides.read(DROP, NODE)
    with pytest.raises(EdgedropError, match="failed"), by_bus.counting(stack, NODE, wanted):
        raise EdgedropError("it failed", "")
    assert before is not None
    assert overrides.read(DROP, NODE) == before


def test_a_rollback_is_an_override_unless_it_is_to_the_wanted_one(stack: Stack, releases: tuple[str, str]) -> None:
    wanted, other = releases
    assert by_bus.rolled_back(stack, NODE, other).startswith(f"override: release {other[:12]}")
    assert "up puts the wanted one there" in by_bus.rolled_back(stack, NODE, "c" * 64)
    found = overrides.read(DROP, NODE)
    assert found is not None
    assert found.release == other
    assert by_bus.rolled_back(stack, NODE, wanted) == "the one that is wanted"
    assert overrides.read(DROP, NODE) is None
