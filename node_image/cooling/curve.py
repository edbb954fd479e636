"""How fast the fans run for how much head-room. Pure; head-room in millidegrees below the limit, PWM 0 to 255."""

from __future__ import annotations

FULL = 255
QUIET = 77  # 30 %: below it many fans stop
QUIET_FROM, FULL_FROM = 50_000, 25_000  # full before the node's weight is lowered (ladder.py)
HYSTERESIS = 4_000


def wanted(headroom: int) -> int:
    """The curve itself: less head-room never gives less air."""
    if headroom >= QUIET_FROM:
        return QUIET
    if headroom <= FULL_FROM:
        return FULL
    share = (QUIET_FROM - headroom) / (QUIET_FROM - FULL_FROM)
    return QUIET + round(share * (FULL - QUIET))


def next_pwm(last: int, headroom: int | None) -> int:
    """Faster at once; slower only once the head-room grew by more than it trembles. Unknown head-room: full."""
    if headroom is None:
        return FULL
    least, most = wanted(headroom), wanted(headroom - HYSTERESIS)
    return min(max(last, least), most)
