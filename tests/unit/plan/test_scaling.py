"""How many spares, and why: each rule with the sentence that a person reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.plan.model import Scale
from infra.plan.scaling import Decision, Look, Now, decide

HOUR = 3600.0
SCALE = Scale(least=1, most=3, budget_s=6 * HOUR, ahead_s=900, cool_down_s=600, busy_percent=60, idle_percent=20)
OPENS, CLOSES = 100_000.0, 120_000.0
OPEN = Now(at_s=110_000.0, opens_at=OPENS, closes_at=CLOSES, up=1)


def looks(busy: int, hands: int = 128, *, until: float = OPEN.at_s, over: int = 20, last: int = 64) -> list[Look]:
    """One each two seconds, until then."""
    return [Look(until - ago, hands, busy, last) for ago in range(over, -1, -2)]


def decided(now: Now, busy: int = 50, scale: Scale = SCALE, hands: int = 128) -> Decision:
    """With a load that was steady until now."""
    return decide(scale, now, looks(busy, hands, until=now.at_s))


@pytest.mark.parametrize(
    ("now", "busy", "want", "rule", "says"),
    [
        (replace(OPEN, at_s=OPENS - 901), 0, 1, "window", "the window opens later: spares come up in 1 s"),
        (replace(OPEN, at_s=OPENS - 900), 0, 3, "ahead", "the window opens in 15 min; 6.00 of 6 spare-hours are left"),
        (replace(OPEN, at_s=OPENS - 1, up=3), 0, 3, "ahead", "opens in 1 s"),
        (OPEN, 50, 1, "steady", "39 % of 128 hands were busy over 10 s"),
        (OPEN, 77, 2, "busy", "60 % of 128 hands were busy over 10 s; from 60 % on one more comes"),
        (replace(OPEN, up=3), 128, 3, "busy", "but all 3 spares are up"),
        (replace(OPEN, changed_at_s=OPEN.at_s - 540), 128, 1, "busy", "but one went 9 min ago, and no change is taken"),
        (replace(OPEN, up=2, came=True, changed_at_s=OPEN.at_s - 11), 128, 3, "busy", "one more comes"),
        (replace(OPEN, at_s=CLOSES - 599), 128, 1, "busy", "but the window closes in 10 min"),
        (
            replace(OPEN, spent_s=6 * HOUR - 700),
            128,
            1,
            "busy",
            "0.19 of 6 spare-hours are left, too little for another",
        ),
        (replace(OPEN, up=2), 12, 1, "idle", "9 % of 128 hands were busy over 10 s; up to 20 % one less will do"),
        (replace(OPEN, up=2, changed_at_s=OPEN.at_s - 599), 12, 2, "idle", "but the last change was 10 min ago"),
        (OPEN, 0, 1, "steady", "0 % of 128 hands"),
        (replace(OPEN, up=3, spent_s=6 * HOUR - 360), 128, 1, "budget", "what is left pays for closing out"),
        (replace(OPEN, up=3, spent_s=6 * HOUR - 361), 128, 3, "busy", "all 3 spares are up"),
        (replace(OPEN, at_s=CLOSES, up=3), 128, 1, "window", "the window is closed"),
        (replace(OPEN, up=4), 50, 3, "range", "4 spares are up, and the drop file allows 3"),
    ],
)
def test_each_rule_in_words(now: Now, busy: int, want: int, rule: str, says: str) -> None:
    found = decided(now, busy)
    assert (found.want, found.rule) == (want, rule), found.why
    assert says in found.why


def test_ahead_of_the_window_as_many_come_as_the_budget_pays_for() -> None:
    now = replace(OPEN, at_s=OPENS - 900)
    for budget_s, want in ((1679, 1), (1680, 2), (3359, 2), (3360, 3)):
        assert decided(now, scale=replace(SCALE, budget_s=budget_s)).want == want


def test_a_window_shorter_than_the_cool_down_is_not_worth_it() -> None:
    assert decided(replace(OPEN, at_s=OPENS - 60, closes_at=OPENS + 599)).want == 1


def test_nothing_is_decided_by_load_before_it_was_looked_at_for_long_enough() -> None:
    for seen in ([], looks(128, over=6), looks(128, until=OPEN.at_s - 30)):
        assert decide(SCALE, OPEN, seen).rule == "unseen"
    fresh = replace(OPEN, up=2, came=True, changed_at_s=OPEN.at_s - 6)
    assert decide(SCALE, fresh, looks(128)).rule == "unseen", "looks from before the change tell nothing"


def test_one_busy_look_is_no_load() -> None:
    calm = looks(10)
    assert decide(SCALE, OPEN, [*calm[:-1], replace(calm[-1], busy=128)]).want == 1


def test_where_no_node_serves_one_more_comes() -> None:
    found = decided(OPEN, 0, hands=0)
    assert (found.want, found.why) == (2, "no node serves; from 60 % on one more comes")


def test_none_goes_whose_hands_would_be_missed() -> None:
    scale = replace(SCALE, idle_percent=50)
    found = decided(replace(OPEN, up=2), 60, scale)
    assert (found.want, found.rule) == (2, "idle")
    assert "but 64 hands would be too few" in found.why
