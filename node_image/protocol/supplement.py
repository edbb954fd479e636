"""What a recovered journal adds to the anchored checkpoints: all batches after the last one, without a gap. Pure.

A checkpoint's root is the Merkle root over the digests of batches that follow on each other. The chain keeps a set of
roots, not their order: which batches they cover is found by walking the journal's from the first one on.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from node_image.protocol import merkle
from node_image.protocol.eip712 import Batch, digest
from node_image.protocol.errors import NotVerified
from node_image.protocol.frames import Claim, Grant, Header, Signed
from node_image.protocol.journal import Frame
from node_image.protocol.signature import recover


@dataclass(frozen=True, slots=True)
class Given:
    """One batch of the journal: what is anchored of it, and the tokens (tier, seq) it gave."""

    digest: bytes
    tokens: tuple[tuple[int, int], ...]
    signed: bool


@dataclass(frozen=True, slots=True)
class Recovered:
    """A journal that verifies, as a supplement needs it."""

    grant_id: bytes
    key: bytes
    batches: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class Supplement:
    """One root over batches `first .. last`; `high_seqs` by tier: with what is anchored, every seq below is covered.

    `unsigned` of them have no signature in the journal: they redeem only if the key gave one before the box went down.
    """

    root: bytes
    first: int
    last: int
    high_seqs: tuple[int, ...]
    vouchers: int
    unsigned: int


def recovered(frames: Sequence[Frame], separator: bytes) -> Recovered:
    """The batches of frames that `examine` found good; NotVerified where one is signed by another key."""
    grant, batches, claims = Grant(bytes(32), bytes(20)), list[Given](), list[tuple[int, int]]()
    for frame in frames:
        match frame.told:
            case Grant() as told:
                grant = told
            case Claim(tier=tier, seq=seq):
                claims.append((tier, seq))
            case Header() as told:
                header = Batch(grant.grant_id, told.batch_seq, told.root, told.count, told.issued_at)
                batches.append(Given(digest(separator, header.struct_hash()), tuple(claims), signed=False))
                claims.clear()
            case Signed(batch_seq=number, signature=signature):
                if recover(batches[number].digest, signature) != grant.key:
                    raise NotVerified(f"batch {number} is not signed by the journal's key for this contract")
                batches[number] = Given(batches[number].digest, batches[number].tokens, signed=True)
    return Recovered(grant.grant_id, grant.key, tuple(batches))


def anchored(batches: Sequence[Given], roots: Container[bytes]) -> int:
    """How many batches, from the first one on without a gap, are under roots that are anchored.

    Where two roots overlap, the batches after the shorter one count as not anchored: to add them again does no harm.
    """
    first = 0
    while True:
        growing = enumerate(prefix_roots(given.digest for given in batches[first:]))
        covers = next((at + 1 for at, root in growing if root in roots), 0)
        if not covers:
            return first
        first += covers


def supplement(journal: Recovered, first: int, tiers: int) -> Supplement | None:
    """From batch `first` to the journal's last one; None where there is none."""
    new = journal.batches[first:]
    if not new:
        return None
    highs = [0] * tiers
    for given in journal.batches:
        for tier, seq in given.tokens:
            highs[tier] = max(highs[tier], seq + 1)
    return Supplement(
        root=merkle.root([given.digest for given in new]),
        first=first,
        last=len(journal.batches) - 1,
        high_seqs=tuple(highs),
        vouchers=sum(len(given.tokens) for given in new),
        unsigned=sum(not given.signed for given in new),
    )


def root_of(journal: Recovered, first: int, last: int) -> bytes | None:
    """The root over batches `first .. last`, None where the journal lacks some of them."""
    if not 0 <= first <= last < len(journal.batches):
        return None
    return merkle.root([given.digest for given in journal.batches[first : last + 1]])


def prefix_roots(leaves: Iterable[bytes]) -> Iterator[bytes]:
    """`merkle.root` of the first leaf, of the first two, ...: each in as many hashes as the tree is deep.

    What is kept are the roots of whole subtrees, the largest first: one for each bit of the number of leaves.
    """
    peaks: list[tuple[int, bytes]] = []
    for leaf in leaves:
        size, node = 1, leaf
        while peaks and peaks[-1][0] == size:
            node, size = merkle.climb(node, [peaks.pop()[1]]), 2 * size
        peaks.append((size, node))
        root = peaks[-1][1]
        for _, peak in reversed(peaks[:-1]):
            root = merkle.climb(root, [peak])
        yield root
