"""Ctrl-C while this thread waits for others: heard, never raised in the wait."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.errors import EdgedropError
from infra.ops import up
from infra.ops.interrupts import listening
from infra.stacks import Stack

LAB = Stack("lab", "lab", 10)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_each_press_is_told_once_and_after_it_a_press_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)  # of a job in the background it is ignored
    with listening() as pressed:
        assert not pressed()
        press()
        press()
        assert [pressed(), pressed(), pressed()] == [True, True, False]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_wait_for_another_thread_goes_on_to_its_end() -> None:
    """Pressed again and again while the result is waited for: raised in there, one in some thousands hangs for ever."""
    with listening() as pressed, ThreadPoolExecutor(1) as pool:
        assert [pool.submit(press).result(10) for _ in range(200)] == [None] * 200
        assert pressed()


@pytest.mark.parametrize(
    ("fault", "raised"), [(None, KeyboardInterrupt), (EdgedropError("255", "heal"), EdgedropError)]
)
def test_an_up_lets_its_stacks_come_to_their_end_and_begins_no_other(
    monkeypatch: pytest.MonkeyPatch, fault: EdgedropError | None, raised: type[BaseException]
) -> None:
    ended = []

    def stand_up(stack: Stack, _aside: object, *, alone: bool) -> None:
        press()
        ended.append((stack.name, alone))
        if fault:
            raise fault

    monkeypatch.setattr(up, "_stand_up", stand_up)
    monkeypatch.setattr(up, "prepare_home", lambda: None)
    with pytest.raises(raised):
        up.bring_up((LAB, Stack("lights", "drop", 11)))
    assert ended == [("lab", True)]
