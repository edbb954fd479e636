"""The voucher as buyers hold it (docs/architecture.md), made from the journal, checked with itself and a key alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from node_image.protocol import merkle
from node_image.protocol.eip712 import Batch, Domain, digest
from node_image.protocol.eip712 import Voucher as Leaf
from node_image.protocol.errors import NotVerified
from node_image.protocol.facts import DropFacts
from node_image.protocol.hexes import unhex
from node_image.protocol.lease import Lease
from node_image.protocol.signature import recover
from node_image.protocol.state import BatchRecord, ClaimRecord


class VoucherBody(msgspec.Struct, frozen=True, rename="camel"):
    """The EIP-712 struct that is the leaf."""

    grant_id: str
    tier: int
    seq: int
    to: str
    claim_key: str
    slot: int
    claim_hash: str


class BatchBody(msgspec.Struct, frozen=True, rename="camel"):
    """The EIP-712 struct that the lease key signed."""

    grant_id: str
    batch_seq: int
    root: str
    count: int
    issued_at: int


class Voucher(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that redeems one token; numbers past 2^53 are strings. `currency` is the ERC-20 that the price is of."""

    schema: int
    claim_id: str
    drop: str
    node: str
    token_id: str
    chain_id: int
    contract: str
    voucher: VoucherBody
    proof: list[str]
    batch: BatchBody
    signature: str
    price_wei: str
    currency: str | None = None


class Tree:
    """A batch's leaves and the Merkle tree over them."""

    def __init__(self, grant_id: bytes, claims: Sequence[ClaimRecord]) -> None:
        self.leaves = [claim.leaf(grant_id) for claim in claims]
        self.levels = merkle.tree([leaf.struct_hash() for leaf in self.leaves])

    @property
    def root(self) -> bytes:
        """What the batch's header carries."""
        return self.levels[-1][0]


class Vouchers:
    """The vouchers of one signed batch; what they share, and each node of the tree, is written once."""

    def __init__(
        self, facts: DropFacts, leases: Mapping[int, Lease], batch: BatchRecord, tree: Tree | None = None
    ) -> None:
        if batch.signature is None:
            raise ValueError(f"batch {batch.header.batch_seq} is not signed yet")
        self.batch = batch
        self._facts, self._leases = facts, leases
        tree = tree or Tree(batch.header.grant_id, batch.claims)
        self._leaves = tree.leaves
        self._levels = [[_hex(node) for node in level] for level in tree.levels]
        self._header, self._signature = _header(batch.header), _hex(batch.signature)
        self._prices = {tier.tier: str(tier.price_wei) for tier in facts.tiers}
        self._currencies = {tier.tier: tier.currency.address for tier in facts.tiers if tier.currency}

    def of(self, index: int) -> Voucher:
        """The voucher of the batch's claim at `index`."""
        claim, facts = self.batch.claims[index], self._facts
        return Voucher(
            schema=1,
            claim_id=claim.claim_id,
            drop=facts.drop,
            node=facts.node,
            token_id=str(self._leases[claim.tier].start + claim.seq),
            chain_id=facts.chain_id,
            contract=facts.contract,
            voucher=_body(self._leaves[index], self._header.grant_id),
            proof=merkle.proof(self._levels, index),
            batch=self._header,
            signature=self._signature,
            price_wei=self._prices[claim.tier],
            currency=self._currencies.get(claim.tier),
        )


def verify(voucher: Voucher, key: str) -> None:
    """NotVerified unless the leaf is under the root and the root is signed by the grant's key (an address)."""
    leaf, batch = leaf_of(voucher.voucher), batch_of(voucher.batch)
    if leaf.grant_id != batch.grant_id:
        raise NotVerified("voucher and batch name different grants")
    if merkle.climb(leaf.struct_hash(), [unhex(sibling) for sibling in voucher.proof]) != batch.root:
        raise NotVerified("the voucher is not under the batch's root")
    domain = Domain(voucher.chain_id, unhex(voucher.contract))
    signer = recover(digest(domain.separator, batch.struct_hash()), unhex(voucher.signature))
    if signer != unhex(key):
        raise NotVerified(f"the batch is signed by {_hex(signer)}, not by the grant's key {key.lower()}")


def leaf_of(body: VoucherBody) -> Leaf:
    """From JSON to the struct that is hashed."""
    return Leaf(
        unhex(body.grant_id),
        body.tier,
        body.seq,
        unhex(body.to),
        unhex(body.claim_key),
        body.slot,
        unhex(body.claim_hash),
    )


def batch_of(body: BatchBody) -> Batch:
    """From JSON to the struct that is signed."""
    return Batch(unhex(body.grant_id), body.batch_seq, unhex(body.root), body.count, body.issued_at)


def _body(leaf: Leaf, grant_id: str) -> VoucherBody:
    return VoucherBody(
        grant_id, leaf.tier, leaf.seq, _hex(leaf.to), _hex(leaf.claim_key), leaf.slot, _hex(leaf.claim_hash)
    )


def _header(batch: Batch) -> BatchBody:
    return BatchBody(_hex(batch.grant_id), batch.batch_seq, _hex(batch.root), batch.count, batch.issued_at)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
