"""A chain and a drop for each file, keys in files, and a machine that knows nothing of the drop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.acts.here import Here
from tests.e2e.contract_world import (
    HOLDERS,
    HUB,
    RELAYER,
    World,
    anvil,
    world,
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with anvil() as there:
        yield there


@pytest.fixture(scope="module")
def drop(url: str) -> World:
    return world(url)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that knows nothing of the drop."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


@pytest.fixture
def keys(tmp_path: Path) -> list[Path]:
    """The three holders' files, in the contract's order; then the relayer's, who pays, and the hub's."""
    files = [tmp_path / f"{name}.key" for name in ("h0", "h1", "h2", "pay", "hub")]
    for file, key in zip(files, (*HOLDERS, RELAYER, HUB), strict=True):
        file.write_text(key + "\n")
        file.chmod(0o600)
    return files


@pytest.fixture
def here(url: str, drop: World) -> Here:
    return Here(url, drop)
