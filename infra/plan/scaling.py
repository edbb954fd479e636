"""How many spares a geography should have now, and why. Pure: what was seen goes in, a number and a sentence come out.

An elastic spare is one above `least`. It comes up ahead of the window or by load; it goes when it is idle, when the
window closes, or while the budget still pays for its leaving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.plan.model import Scale

OVER_S = 10.0  # a load is what it was over so long: one instant tells nothing
SEEN = 0.8  # of that time, at least
LEAVING_S = 180.0  # what draining, closing out and taking away may take of the budget, for each spare
HOUR_S, MINUTE_S = 3600.0, 60.0

Rule = Literal["range", "budget", "window", "ahead", "busy", "idle", "steady", "unseen"]


@dataclass(frozen=True, slots=True)
class Look:
    """A geography at one time; hands are the claims that its nodes in service take at a time."""

    at_s: float
    hands: int
    busy: int
    last_hands: int = 0  # of the elastic spare that would go first


@dataclass(frozen=True, slots=True)
class Now:
    """Where a geography stands; times are Unix seconds, `spent_s` spare-seconds."""

    at_s: float
    opens_at: float
    closes_at: float
    up: int  # spares, the drop's own too
    spent_s: float = 0.0
    changed_at_s: float = float("-inf")  # when the last one had come or gone
    came: bool = False  # whether that was a coming


@dataclass(frozen=True, slots=True)
class Decision:
    """`want` spares in all; `why` is for people, `rule` says which one it was."""

    want: int
    rule: Rule
    why: str


def decide(scale: Scale, now: Now, looks: Sequence[Look]) -> Decision:
    """The first rule that has a word in it; `looks` are oldest first, older ones than matter do no harm."""
    rules: tuple[Callable[[], Decision | None], ...] = (
        lambda: _limits(scale, now),
        lambda: _window(scale, now),
        lambda: _ahead(scale, now),
        lambda: _by_load(scale, now, _recent(now, looks)),
    )
    return next(found for rule in rules if (found := rule()) is not None)


def _limits(scale: Scale, now: Now) -> Decision | None:
    """What holds at any time."""
    if now.up > scale.most:
        return Decision(scale.most, "range", f"{now.up} spares are up, and the drop file allows {scale.most}")
    elastic = now.up - scale.least
    if elastic and _left(scale, now) <= elastic * LEAVING_S:
        return Decision(scale.least, "budget", f"{_budget(scale, now)}: what is left pays for closing out")
    return None


def _window(scale: Scale, now: Now) -> Decision | None:
    """Nobody claims outside of it."""
    if now.at_s >= now.closes_at:
        return Decision(scale.least, "window", "the window is closed")
    wait = now.opens_at - scale.ahead_s - now.at_s
    if wait > 0:
        return Decision(scale.least, "window", f"the window opens later: spares come up in {_long(wait)}")
    return None


def _ahead(scale: Scale, now: Now) -> Decision | None:
    """Before the doors open: as many as the budget pays for until the load can speak."""
    wait = now.opens_at - now.at_s
    if wait <= 0:
        return None
    paid = int(_left(scale, now) // (wait + _least_stay(scale)))
    want = max(now.up, scale.least + min(scale.most - scale.least, paid if _long_enough(scale, now) else 0))
    return Decision(want, "ahead", f"the window opens in {_long(wait)}; {_budget(scale, now)}")


def _by_load(scale: Scale, now: Now, looks: Sequence[Look]) -> Decision:
    """In the window."""
    seen_s = looks[-1].at_s - looks[0].at_s if looks else 0.0
    if seen_s < OVER_S * SEEN:
        return Decision(now.up, "unseen", f"its front was looked at for {seen_s:.0f} s, {OVER_S:.0f} are needed")
    newest, busy = looks[-1], _percent(looks)
    load = f"{busy:.0f} % of {newest.hands} hands were busy over {OVER_S:.0f} s" if newest.hands else "no node serves"
    if busy >= scale.busy_percent:
        return _one_more(scale, now, load)
    if busy <= scale.idle_percent and now.up > scale.least:
        return _one_less(scale, now, looks, load)
    return Decision(now.up, "steady", load)


def _one_more(scale: Scale, now: Now, load: str) -> Decision:
    """Unless something is against it, which is said."""
    why, against = f"{load}; from {scale.busy_percent} % on one more comes", next(_against(scale, now), None)
    return Decision(now.up, "busy", f"{why}; but {against}") if against else Decision(now.up + 1, "busy", why)


def _against(scale: Scale, now: Now) -> Iterator[str]:
    if now.up >= scale.most:
        yield f"all {scale.most} spares are up"
    if not now.came and _since(now) < scale.cool_down_s:
        yield f"one went {_long(_since(now))} ago, and no change is taken back within {_long(scale.cool_down_s)}"
    if not _long_enough(scale, now):
        yield f"the window closes in {_long(now.closes_at - now.at_s)}"
    if (now.up - scale.least + 1) * _least_stay(scale) > _left(scale, now):
        yield f"{_budget(scale, now)}, too little for another one"


def _one_less(scale: Scale, now: Now, looks: Sequence[Look], load: str) -> Decision:
    newest = looks[-1]
    rest = newest.hands - newest.last_hands
    busy = sum(look.busy for look in looks) / len(looks)
    why = f"{load}; up to {scale.idle_percent} % one less will do"
    if _since(now) < scale.cool_down_s:
        why += f"; but the last change was {_long(_since(now))} ago, of {_long(scale.cool_down_s)}"
    elif busy * 100 >= scale.busy_percent * rest:
        why += f"; but {rest} hands would be too few"
    else:
        return Decision(now.up - 1, "idle", why)
    return Decision(now.up, "idle", why)


def _recent(now: Now, looks: Sequence[Look]) -> list[Look]:
    """Of the last while, and of how things are since the last change."""
    return [look for look in looks if now.at_s - OVER_S <= look.at_s <= now.at_s and look.at_s >= now.changed_at_s]


def _percent(looks: Sequence[Look]) -> float:
    """Where no node is in service, all hands are busy."""
    hands = sum(look.hands for look in looks)
    return 100 * sum(look.busy for look in looks) / hands if hands else 100.0


def _since(now: Now) -> float:
    return now.at_s - now.changed_at_s


def _left(scale: Scale, now: Now) -> float:
    return scale.budget_s - now.spent_s


def _least_stay(scale: Scale) -> float:
    """What a spare that comes up costs at least: it is not sent away within the cool-down."""
    return scale.cool_down_s + LEAVING_S


def _long_enough(scale: Scale, now: Now) -> bool:
    return now.closes_at - max(now.at_s, now.opens_at) >= scale.cool_down_s


def _budget(scale: Scale, now: Now) -> str:
    left = max(0.0, _left(scale, now)) / HOUR_S
    return f"{left:.2f} of {scale.budget_s / HOUR_S:g} spare-hours are left"


def _long(seconds: float) -> str:
    """As people say it."""
    if seconds < 2 * MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE_S:.0f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"
