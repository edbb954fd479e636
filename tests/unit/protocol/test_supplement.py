"""A recovered journal beside the anchored roots: what they cover, and the one root that adds the rest."""

from __future__ import annotations

import pytest

from node_image.protocol import merkle
from node_image.protocol.eip712 import Domain
from node_image.protocol.errors import NotVerified
from node_image.protocol.examine import examine
from node_image.protocol.supplement import Recovered, anchored, prefix_roots, recovered, root_of, supplement
from tests.unit.protocol.world import FACTS, LEASE_KEY, SEPARATOR, Grown, address, claim, grown


def read(made: Grown) -> Recovered:
    return recovered(examine(made.data).frames, SEPARATOR)


def longer() -> Grown:
    """Four batches: (a, b), (c), (d), (e)."""
    made = grown()
    for number, claim_id in enumerate("de", start=2):
        made.claimed(claim(claim_id, number + 2), number)
        made.batch()
    return made


def test_the_root_of_every_beginning_is_merkles() -> None:
    leaves = [bytes([number]) * 32 for number in range(1, 40)]
    assert list(prefix_roots(leaves)) == [merkle.root(leaves[:count]) for count in range(1, 40)]


def test_a_journal_tells_grant_key_and_batches() -> None:
    found = read(longer())
    assert ("0x" + found.grant_id.hex(), found.key) == (FACTS.grant_id, address(LEASE_KEY))
    assert [given.tokens for given in found.batches] == [((0, 0), (1, 0)), ((0, 1),), ((0, 2),), ((0, 3),)]


def test_nothing_anchored_is_one_root_over_all() -> None:
    found = read(longer())
    assert anchored(found.batches, set()) == 0
    added = supplement(found, 0, 2)
    assert added is not None
    assert (added.root, added.first, added.last) == (merkle.root([one.digest for one in found.batches]), 0, 3)
    assert (added.high_seqs, added.vouchers, added.unsigned) == ((4, 1), 5, 0)


@pytest.mark.parametrize(
    ("spans", "covered"),
    [([(0, 0)], 1), ([(0, 1), (2, 2)], 3), ([(0, 0), (1, 3)], 4), ([(1, 2)], 0), ([(0, 0), (2, 3)], 1)],
    ids=["the first", "two in a row", "all", "not from the first on", "with a gap"],
)
def test_anchored_roots_count_only_without_a_gap(spans: list[tuple[int, int]], covered: int) -> None:
    found = read(longer())
    roots = {root for first, last in spans if (root := root_of(found, first, last))}
    assert len(roots) == len(spans)
    assert anchored(found.batches, roots) == covered
    added = supplement(found, covered, 2)
    assert (added is None) is (covered == 4)
    if added:
        assert (added.first, added.root) == (covered, root_of(found, covered, 3))
        assert added.high_seqs == (4, 1), "what is anchored counts, too: the contract keeps the higher"


def test_a_batch_without_a_signature_is_added_and_counted() -> None:
    made = grown()
    made.claimed(claim("d", 5), 2)
    made.batch(signed=False)
    added = supplement(read(made), 2, 2)
    assert added is not None
    assert (added.first, added.last, added.unsigned) == (2, 2, 1)


def test_signatures_are_for_this_contract_alone() -> None:
    other = Domain(31337, b"\x01" * 20).separator
    with pytest.raises(NotVerified, match="batch 0 is not signed"):
        recovered(examine(grown().data).frames, other)


@pytest.mark.parametrize("span", [(0, 2), (-1, 0), (1, 0)])
def test_no_root_over_what_the_journal_lacks(span: tuple[int, int]) -> None:
    assert root_of(read(grown()), *span) is None
