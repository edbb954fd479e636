"""Whoever copies one entry of a call and sends it first takes nothing from the other 49."""

from __future__ import annotations

import pytest

from node_image.hub.redemption import Reason
from tests.e2e.contract_world import FREE, OPERATOR, RELAYER, anvil, opening, wallet, world

pytestmark = pytest.mark.e2e
ENTRIES = 50


def test_each_of_50_entries_front_run_in_turn_and_49_redeem_every_time() -> None:
    with anvil() as url:
        drop = world(url)
        grant = drop.open("front", [opening(FREE, 1, ENTRIES)])
        batch = drop.vouchers(grant, [(FREE, seq, wallet(seq), 0) for seq in range(ENTRIES)])
        for rival in range(ENTRIES):
            fresh = drop.snapshot()
            assert drop.redeem([batch[rival]], OPERATOR) == [Reason.NONE]
            told = drop.redeem(batch, RELAYER)
            assert told.count(Reason.NONE) == ENTRIES - 1
            assert told[rival] is Reason.NULLIFIER_USED
            drop.restore(fresh)
