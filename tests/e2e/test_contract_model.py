"""The contract against the model of its rules, a short walk; `make chaos NAME=contract` is the long one."""

from __future__ import annotations

import pytest

from tests.chaos.contract_walk import Walk
from tests.e2e.contract_world import anvil, world

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("seed", [1, 2])
def test_the_contract_does_what_the_model_says(seed: int) -> None:
    with anvil() as url:
        walk = Walk(world(url), seed)
        assert walk.run(700) >= 700
        assert len(walk.model.minted) > 30  # else the walk met little
