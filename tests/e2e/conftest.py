"""A lab of the test file's own, stood up by the real command and taken away whatever happens."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from infra import slots
from infra.plan import plan_lab
from infra.plan.model import HubAddresses
from tests.e2e.standing import Standing, sweep


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A lab of this test's own."""
    made = Standing(uuid.uuid4().hex[:6], tmp_path_factory.mktemp("home"))
    try:
        made.edgedrop("up", made.lab, "--yes")
        yield made
    finally:
        made.edgedrop("down", "--all", "--yes", check=False)
        sweep(made.lab)


@pytest.fixture(scope="module")
def hub(standing: Standing) -> HubAddresses:
    """Where its services are."""
    slot = int((standing.home / "slots" / standing.lab).read_text())
    assert slots.FIRST <= slot <= slots.LAST
    return plan_lab(slot)
