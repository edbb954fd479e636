"""A slot is taken once, and by one stack, however many runs take at once."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from infra.errors import EdgedropError
from infra.slots import FIRST, LAST, give_back, slot_of, take_slot


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


def test_a_stack_keeps_its_slot() -> None:
    assert slot_of("lab") is None
    assert take_slot("lab", used={FIRST}) == FIRST + 1
    assert take_slot("lab", used=set()) == slot_of("lab") == FIRST + 1


def test_stacks_that_take_at_once_get_different_slots() -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        taken = list(pool.map(partial(take_slot, used=set()), [f"drop-{n}" for n in range(12)]))
    assert sorted(taken) == list(range(FIRST, FIRST + 12))


def test_what_is_given_back_is_taken_again() -> None:
    take_slot("a", used=set())
    take_slot("b", used=set())
    give_back("a")
    assert take_slot("c", used=set()) == FIRST


def test_with_no_network_left_it_says_so() -> None:
    with pytest.raises(EdgedropError, match="in use"):
        take_slot("lab", used=set(range(FIRST, LAST + 1)))
    assert slot_of("lab") is None
