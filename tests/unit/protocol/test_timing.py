from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_image.protocol.timing import (
    JUMP_MS,
    Boot,
    Clock,
    Disagree,
    Interval,
    Reading,
    SecondSourceNeeded,
    TimeRefused,
    hear,
)

T = 1_790_000_000_000
BOOT = Boot("b1", 5_000)


def told(source: str, at: int, boot: Boot = BOOT, error: int = 100) -> Reading:
    """A reading that is good to `error` ms."""
    return Reading(source, at - error, at + error, boot)


def later(ms: int, boot: str = "b1") -> Boot:
    return Boot(boot, BOOT.ms + ms)


def test_without_a_source_nothing_bounds_the_time() -> None:
    assert Clock().at(BOOT) == Interval(0, None)


def test_the_interval_moves_with_the_machines_count_and_widens_by_200_ppm() -> None:
    clock = Clock().take([told("hub", T)])
    day = 86_400_000
    found = clock.at(later(day))
    assert found == Interval((T - 100 + day - 17_280) // 1000, -(-(T + 100 + day + 17_280) // 1000))


def test_after_a_reboot_the_upper_end_is_open_and_the_floor_stands() -> None:
    clock = Clock().take([told("hub", T)])
    assert clock.at(Boot("b2", 10**9)) == Interval((T - 100) // 1000, None)


def test_a_count_that_went_backwards_bounds_nothing() -> None:
    assert Clock().take([told("hub", T)]).at(Boot("b1", 4_999)).hi is None


def test_a_second_reading_narrows() -> None:
    clock = Clock().take([told("hub", T, error=4_000)]).take([told("nts", T + 1_000, error=10)])
    assert clock.at(BOOT) == Interval(T // 1000, T // 1000 + 2)


@pytest.mark.parametrize("jump", [JUMP_MS + 1_000, -JUMP_MS - 1_000])
def test_a_jump_over_five_minutes_needs_two_sources(jump: int) -> None:
    clock = Clock().take([told("hub", T)])
    with pytest.raises(SecondSourceNeeded):
        clock.take([told("hub", T + jump)])


def test_two_sources_jump_forward_and_the_floor_goes_with_them() -> None:
    clock = Clock().take([told("hub", T)])
    jumped = T + 10 * JUMP_MS
    with pytest.raises(SecondSourceNeeded):
        hear(clock, told("hub", jumped), [])
    with pytest.raises(SecondSourceNeeded):
        hear(clock, told("hub", jumped), [told("hub", jumped)])
    heard = hear(clock, told("nts", jumped + 50), [told("hub", jumped)])
    assert [one.source for one in heard.readings] == ["hub", "nts"]
    assert heard.clock.floor_ms == jumped - 50


def test_two_sources_that_disagree_are_not_believed() -> None:
    clock = Clock().take([told("hub", T)])
    with pytest.raises(Disagree):
        clock.take([told("hub", T + 10 * JUMP_MS), told("nts", T + 11 * JUMP_MS)])


def test_one_source_does_not_walk_the_clock_away_in_small_steps() -> None:
    clock = Clock().take([told("hub", T)])
    for step in range(1, 4):
        clock = clock.take([told("hub", T + step * (JUMP_MS // 3))])
    with pytest.raises(SecondSourceNeeded):
        clock.take([told("hub", T + 4 * (JUMP_MS // 3))])


def test_after_a_reboot_one_source_moves_the_floor_by_five_minutes_and_no_more() -> None:
    clock, boot = Clock().take([told("hub", T)]), Boot("b2", 7)
    with pytest.raises(SecondSourceNeeded):
        clock.take([told("hub", T + 2 * JUMP_MS, boot)])
    assert clock.take([told("hub", T + JUMP_MS // 2, boot)]).at(boot).hi is not None


def test_after_a_reboot_a_source_that_another_contradicts_bounds_nothing() -> None:
    """The hub knows that an hour went by without power; one that says hardly any did would keep a window open."""
    clock, boot = Clock().take([told("hub", T)]), Boot("b2", 7)
    honest, liar = told("hub", T + 3_600_000, boot), told("nts", T + 1_000, boot)
    with pytest.raises(SecondSourceNeeded):
        hear(clock, honest, [])
    with pytest.raises(SecondSourceNeeded):
        hear(clock, liar, [honest])
    first = hear(clock, liar, []).clock
    assert not first.doubted([], boot)
    assert first.doubted([honest], boot)
    assert (
        hear(first, told("gps", T + 3_600_000, boot), [liar, honest]).clock.at(boot).lo == (T + 3_600_000) // 1000 - 1
    )


def test_what_two_sources_agree_on_is_not_doubted_for_a_third() -> None:
    clock = Clock().take([told("hub", T)]).take([told("nts", T)])
    assert clock.anchor
    assert clock.anchor.source == "hub+nts"
    assert not clock.doubted([told("gps", T + 10 * JUMP_MS)], BOOT)


def test_no_source_lowers_the_floor() -> None:
    clock = Clock().take([told("hub", T)])
    with pytest.raises(TimeRefused, match="floor"):
        clock.take([told("hub", T - 10 * JUMP_MS), told("nts", T - 10 * JUMP_MS)])
    stepped = clock.take([told("hub", T - 150)])
    assert stepped.floor_ms == clock.floor_ms
    assert stepped.at(BOOT).lo == clock.at(BOOT).lo


def test_a_command_lowers_the_floor_but_never_below_what_was_issued() -> None:
    clock = Clock().take([told("hub", T + 10**9)])
    with pytest.raises(TimeRefused, match="issued"):
        clock.lowered(T, last_issued_at=T // 1000 + 1)
    with pytest.raises(TimeRefused, match="sources raise"):
        clock.lowered(T + 10**10, 0)
    low = clock.lowered(T, last_issued_at=T // 1000)
    assert low.at(BOOT) == Interval(T // 1000, None)
    assert low.take([told("hub", T + 1_000)]).at(BOOT).hi is not None


def test_a_source_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TimeRefused, match="source we know"):
        Clock().take([told("sundial", T)])


def test_readings_of_two_boots_are_not_put_together() -> None:
    with pytest.raises(TimeRefused, match="one boot"):
        Clock().take([told("hub", T), told("nts", T, Boot("b2", 5_000))])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(-150, 150), st.integers(0, 2_000)), max_size=20))
def test_honest_sources_and_an_honest_crystal_always_enclose_the_time(steps: list[tuple[int, int, int]]) -> None:
    """True time runs beside a count that is off by up to 150 ppm; every reading encloses the truth."""
    clock, truth, boot = Clock().take([told("hub", T)]), T, BOOT
    for passed, ppm, error in steps:
        truth += passed + passed * ppm // 1_000_000
        boot = Boot(boot.id, boot.ms + passed)
        found = clock.at(boot)
        assert found.hi is not None
        assert found.lo * 1000 <= truth <= found.hi * 1000
        assert found.lo * 1000 >= clock.floor_ms - 999
        clock = clock.take([Reading("hub", truth - error, truth + error // 2, boot)])
