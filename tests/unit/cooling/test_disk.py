"""The disk's head-room as a rung; it never stops the mint, and it does not flap."""

from __future__ import annotations

import pytest

from node_image.cooling.disk import LOW, MIB, NEARLY_FULL, next_rung
from node_image.cooling.ladder import Rung


@pytest.mark.parametrize(
    ("free", "rung"),
    [(LOW, Rung.NORMAL), (LOW - 1, Rung.REDUCED), (NEARLY_FULL - 1, Rung.DRAIN), (0, Rung.DRAIN)],
)
def test_less_room_is_a_higher_rung_at_once(free: int, rung: Rung) -> None:
    assert next_rung(Rung.NORMAL, free) is rung


def test_it_is_left_with_a_quarter_more_room_than_it_was_entered() -> None:
    assert next_rung(Rung.REDUCED, LOW + MIB) is Rung.REDUCED
    assert next_rung(Rung.REDUCED, LOW * 5 // 4) is Rung.NORMAL
    assert next_rung(Rung.DRAIN, NEARLY_FULL * 5 // 4) is Rung.REDUCED


def test_what_nobody_knows_changes_nothing() -> None:
    assert next_rung(Rung.DRAIN, None) is Rung.DRAIN
