"""Fans driven by PWM, and given back. What can't be written is told, never raised: the sensors go on being read."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from node_image.cooling.curve import FULL
from node_image.cooling.sensors import Fan, number

OURS = 1  # pwmN_enable


class Fans:
    """Those that we took over, each with who drove it before."""

    def __init__(self) -> None:
        self._before: dict[Path, int] = {}

    def drive(self, fans: Iterable[Fan], pwm: int) -> tuple[str, ...]:
        """All at one speed; the names of those that do not obey."""
        return tuple(fan.name for fan in fans if not self._drive(fan, pwm))

    def give_back(self) -> None:
        """To who drove them before; where that was nobody else, full speed: without us nobody watches."""
        for pwm, before in self._before.items():
            with suppress(OSError):
                if before == OURS:
                    pwm.write_text(str(FULL))
                else:
                    pwm.with_name(f"{pwm.name}_enable").write_text(str(before))

    def _drive(self, fan: Fan, pwm: int) -> bool:
        try:
            mode = number(fan.mode)
            self._before.setdefault(fan.pwm, OURS if mode is None else mode)
            if mode is not None and mode != OURS:
                fan.mode.write_text(str(OURS))
            if number(fan.pwm) != pwm:
                fan.pwm.write_text(str(pwm))
        except OSError:
            return False
        return True
