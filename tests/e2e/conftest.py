"""Labs of the tests' own, stood up by the real command and taken away whatever happens."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from infra import slots
from infra.home import ROOT
from infra.plan import plan_lab
from infra.plan.model import HubAddresses
from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import Standing, sweep

QUAY_SUPPLY = 2400  # test_rotate sells all the while that a rotation lasts
# test_autoscale has the second one come at the least load, and go when there is none.
QUAY_SPARES = (
    "spares: {min: 1, max: 2}, "
    "autoscale: {budget_spare_hours: 0.2, busy_percent: 1, idle_percent: 0, cool_down_minutes: 0.1}"
)


SHARES = f"shared: {Standing.__name__}"  # how a test asks for the lab that it shares


class SharedTogether(LoadFileScheduling):  # type: ignore[misc]  # no types are published
    """Two workers: one for all that uses the shared lab, one for the files that have a lab of their own, then the rest.

    Not by xdist's own groups: they hang on a node id that pytest 9.2 no longer lets anybody set.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "shared" if SHARES in (ROOT / file).read_text() else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedTogether:
    """For `--dist` whatever it is."""
    return SharedTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the shared lab is the most and begins first, then what has a lab of its own."""

    def rank(item: pytest.Item) -> tuple[bool, bool]:
        text = item.path.read_text()
        return SHARES not in text, Standing.__name__ not in text

    items.sort(key=rank)


def stood_up(home: Path) -> Iterator[Standing]:
    """A lab, then what a test does with it, then nothing."""
    made = Standing(uuid.uuid4().hex[:6], home)
    try:
        made.edgedrop("up", made.lab, "--yes")
        yield made
    finally:
        made.edgedrop("down", "--all", "--yes", check=False)
        for stack in (made.drop, made.lab):
            sweep(stack)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A lab of the test file's own, which it may break."""
    yield from stood_up(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One lab for all test files that bring drops up in it and leave the lab as it is."""
    yield from stood_up(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def quay(shared: Standing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The stack of a drop of one geography in the shared lab, which is named as the runbooks' is."""
    name = f"turn-{shared.run}"
    file = write_small_drop(tmp_path_factory.mktemp("turn"), "turn", QUAY_SUPPLY, spares=QUAY_SPARES)
    file.write_text(file.read_text().replace("pier", "quay"))
    try:
        shared.edgedrop("up", name, "--lab", shared.lab, "--file", str(file), "--yes")
        yield name
    finally:
        shared.edgedrop("down", name, "--yes", check=False)
        sweep(name)


@pytest.fixture(scope="module")
def hub(standing: Standing) -> HubAddresses:
    """Where the own lab's services are."""
    return hub_of(standing)


@pytest.fixture(scope="session")
def shared_hub(shared: Standing) -> HubAddresses:
    """Where the shared lab's services are."""
    return hub_of(shared)


def hub_of(standing: Standing) -> HubAddresses:
    """By the lab's slot."""
    slot = int((standing.home / "slots" / standing.lab).read_text())
    assert slots.FIRST <= slot <= slots.LAST
    return plan_lab(slot)
