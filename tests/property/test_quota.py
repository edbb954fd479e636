"""The token bucket: never one too many in any stretch of time, and what it says of waiting is true."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node_image.signer.keystores.quota import SECOND, Quota

QUOTAS = st.builds(Quota.of, st.floats(0.01, 500), st.one_of(st.none(), st.integers(1, 500)))
GAPS = st.lists(st.integers(0, 3 * SECOND), max_size=100)


def taken_at(quota: Quota, gaps: list[int]) -> list[int]:
    """When tokens were got, by one who asks after each gap."""
    now = full_at = 0
    found = []
    for gap in gaps:
        now += gap
        if quota.wait_ns(full_at, now) == 0:
            full_at = quota.take(full_at, now)
            found.append(now)
    return found


@given(QUOTAS, GAPS)
def test_no_stretch_of_time_gives_more_than_the_burst_and_what_came_in_it(quota: Quota, gaps: list[int]) -> None:
    taken = taken_at(quota, gaps)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            spent = taken[last] - taken[first]
            assert last - first + 1 <= quota.burst + spent // quota.every_ns


@given(QUOTAS, GAPS)
def test_after_the_wait_that_it_names_a_token_is_there_and_not_a_nanosecond_sooner(
    quota: Quota, gaps: list[int]
) -> None:
    now = full_at = 0
    for gap in gaps:
        now += gap
        if wait := quota.wait_ns(full_at, now):
            assert quota.wait_ns(full_at, now + wait - 1) == 1
            assert quota.wait_ns(full_at, now + wait) == 0
        else:
            full_at = quota.take(full_at, now)


@given(QUOTAS, GAPS)
def test_left_is_how_many_can_be_taken_at_once(quota: Quota, gaps: list[int]) -> None:
    now = full_at = 0
    for gap in gaps:
        now += gap
        if quota.wait_ns(full_at, now) == 0:
            full_at = quota.take(full_at, now)
    left, taken = quota.left(full_at, now), 0
    while quota.wait_ns(full_at, now) == 0:
        full_at, taken = quota.take(full_at, now), taken + 1
    assert left == taken


@given(QUOTAS)
def test_a_full_bucket_gives_its_burst_and_no_more(quota: Quota) -> None:
    assert len(taken_at(quota, [0] * (quota.burst + 5))) == quota.burst
