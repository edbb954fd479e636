"""The batch's Merkle tree: pairs sorted and hashed with Keccak-256, as Solady's MerkleProofLib verifies.

A lone leaf is its own root. An odd node goes up unhashed. Leaf preimages are 256 bytes and node preimages 64, so that a
node can never be passed off as a leaf.
"""

from __future__ import annotations

from collections.abc import Sequence

from node_image.protocol.eip712 import keccak


def tree(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All levels, leaves first, root last; at least one leaf."""
    if not leaves:
        raise ValueError("a batch has at least one leaf")
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [_pair(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append(pairs + below[len(below) & ~1 :])
    return levels


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's root."""
    return tree(leaves)[-1][0]


def proof[Node](levels: Sequence[Sequence[Node]], index: int) -> list[Node]:
    """The siblings from leaf `index` up to the root, as the levels write them; empty for a lone leaf."""
    siblings = []
    for level in levels[:-1]:
        beside = index ^ 1
        if beside < len(level):
            siblings.append(level[beside])
        index //= 2
    return siblings


def climb(leaf: bytes, siblings: Sequence[bytes]) -> bytes:
    """The root that the leaf and its proof lead to."""
    for sibling in siblings:
        leaf = _pair(leaf, sibling)
    return leaf


def _pair(a: bytes, b: bytes) -> bytes:
    return keccak(a + b if a < b else b + a)
