"""Ctrl-C while others work for us: heard, not raised.

An exception in a thread that waits for another one may leave the lock between the two taken, and both wait for ever
(CPython's `threading.Condition`): so nothing is raised there, and who waits asks.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def listening() -> Iterator[Callable[[], bool]]:
    """Asks whether Ctrl-C was pressed since; each press is told once. For the main thread."""
    presses: list[int] = []

    def pressed() -> bool:
        return bool(presses and presses.pop())

    before = signal.signal(signal.SIGINT, lambda number, _: presses.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
