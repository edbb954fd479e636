"""A sample of tests/chaos/journal_mutations.py: every kind of change at every 23rd byte of a small journal."""

from __future__ import annotations

import pytest

from tests.chaos.journal_mutations import TYPES, found, kept, original, signs, try_places

ENTRIES = 60


@pytest.mark.parametrize("how", TYPES)
def test_a_mutated_journal_is_found_with_a_witness_and_nothing_is_signed_without_one(how: str) -> None:
    places = range(0, len(original(ENTRIES).data), 23)
    tried, unfound, signed = try_places(ENTRIES, how, places)
    assert tried > len(places) / 2
    assert (unfound, signed) == (0, 0)


def test_the_journal_as_it_was_written_is_not_found_fault_with() -> None:
    made = original(ENTRIES)
    whole = kept(made, "truncate", len(made.data))
    assert whole is not None
    assert len(whole) == ENTRIES
    assert not found(made, whole)
    assert not signs(whole)
