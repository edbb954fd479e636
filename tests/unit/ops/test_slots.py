"""A slot is taken once, and by one stack, however many runs take at once."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from infra.errors import EdgedropError
from infra.slots import FIRST, LAST, PROMISED_S, give_back, slot_of, take_slot


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EDGEDROP_CACHE", str(tmp_path / "cache"))


def test_a_stack_keeps_its_slot() -> None:
    assert slot_of("lab") is None
    assert take_slot("lab", used={FIRST}) == FIRST + 1
    assert take_slot("lab", used=set()) == slot_of("lab") == FIRST + 1


def test_stacks_that_take_at_once_get_different_slots() -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("forkserver")) as pool:
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


def test_two_state_folders_of_one_machine_choose_apart_until_a_network_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = take_slot("lab", used=set())
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "other"))
    assert take_slot("lab", used=set()) == chosen + 1
    old = time.time() - PROMISED_S
    os.utime(tmp_path / "cache" / "slots" / str(chosen), (old, old))
    assert take_slot("drop", used=set()) == chosen, "a promise that nothing came of is over"
