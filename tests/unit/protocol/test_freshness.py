from __future__ import annotations

import pytest

from node_image.protocol.freshness import NO_HEAD, Freshness, Seen, judge
from tests.unit.protocol.world import grown

MADE = grown()
HEADS = [NO_HEAD, *(frame.head for frame in MADE.frames)]
ALL = len(MADE.frames)


@pytest.mark.parametrize(
    ("seen", "freshness", "gap"),
    [
        ([], Freshness.NO_WITNESS, 0),
        ([Seen("hub", ALL, HEADS[ALL])], Freshness.FRESH, 0),
        ([Seen("hub", 2, HEADS[2])], Freshness.FRESH, 0),
        ([Seen("hub", 0, NO_HEAD)], Freshness.FRESH, 0),
        ([Seen("hub", ALL + 7, bytes([9] * 32))], Freshness.BEHIND, 7),
        ([Seen("hub", ALL, HEADS[ALL]), Seen("peer", ALL + 2, bytes(32))], Freshness.BEHIND, 2),
        ([Seen("front", ALL + 1, bytes(32)), Seen("peer", ALL + 3, bytes(32))], Freshness.BEHIND, 3),
        ([Seen("hub", 2, bytes([9] * 32))], Freshness.OTHER_HISTORY, 0),
        ([Seen("hub", ALL, HEADS[ALL]), Seen("peer", 3, bytes([9] * 32))], Freshness.OTHER_HISTORY, 0),
        ([Seen("hub", 0, bytes([9] * 32))], Freshness.OTHER_HISTORY, 0),
    ],
)
def test_the_worst_that_any_witness_shows_counts(seen: list[Seen], freshness: Freshness, gap: int) -> None:
    found = judge(ALL, HEADS.__getitem__, seen)
    assert (found.freshness, found.gap) == (freshness, gap)
    assert bool(found.reason) is (freshness is not Freshness.FRESH)
    assert found.final is (freshness in {Freshness.BEHIND, Freshness.OTHER_HISTORY})


def test_every_older_copy_is_behind_by_what_it_lacks() -> None:
    for frames in range(ALL):
        found = judge(frames, HEADS.__getitem__, [Seen("hub", ALL, HEADS[ALL])])
        assert (found.freshness, found.gap) == (Freshness.BEHIND, ALL - frames)
