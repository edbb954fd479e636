"""The voucher as buyers hold it (docs/architecture.md), made from the journal, checked with itself and a key alone."""

from __future__ import annotations

import msgspec

from node_image.protocol import merkle
from node_image.protocol.eip712 import Batch, Domain, digest
from node_image.protocol.eip712 import Voucher as Leaf
from node_image.protocol.errors import NotVerified
from node_image.protocol.facts import DropFacts
from node_image.protocol.journal import BatchRecord, ClaimRecord, JournalState
from node_image.protocol.signature import recover


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


class Voucher(msgspec.Struct, frozen=True):
    """All that redeems one token; numbers past 2^53 are strings."""

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


def build(facts: DropFacts, state: JournalState, claim: ClaimRecord, levels: list[list[bytes]]) -> Voucher:
    """The voucher of a claim whose batch is signed; `levels` is the batch's Merkle tree."""
    batch = state.batches[claim.batch_seq]
    if batch.signature is None:
        raise ValueError(f"batch {claim.batch_seq} is not signed yet")
    return Voucher(
        schema=1,
        claim_id=claim.claim_id,
        drop=facts.drop,
        node=facts.node,
        token_id=str(state.leases[claim.tier].start + claim.seq),
        chain_id=facts.chain_id,
        contract=facts.contract,
        voucher=_body(claim.leaf(batch.header.grant_id)),
        proof=[_hex(sibling) for sibling in merkle.proof(levels, claim.index)],
        batch=_header(batch.header),
        signature=_hex(batch.signature),
        price_wei=str(facts.tiers[claim.tier].price_wei),
    )


def levels_of(batch: BatchRecord) -> list[list[bytes]]:
    """The Merkle tree of a batch."""
    return merkle.tree([claim.leaf(batch.header.grant_id).struct_hash() for claim in batch.claims])


def verify(voucher: Voucher, key: str) -> None:
    """NotVerified unless the leaf is under the root and the root is signed by the grant's key (an address)."""
    leaf, batch = leaf_of(voucher.voucher), batch_of(voucher.batch)
    if leaf.grant_id != batch.grant_id:
        raise NotVerified("voucher and batch name different grants")
    if merkle.climb(leaf.struct_hash(), [_bytes(sibling) for sibling in voucher.proof]) != batch.root:
        raise NotVerified("the voucher is not under the batch's root")
    domain = Domain(voucher.chain_id, _bytes(voucher.contract))
    signer = recover(digest(domain.separator, batch.struct_hash()), _bytes(voucher.signature))
    if signer != _bytes(key):
        raise NotVerified(f"the batch is signed by {_hex(signer)}, not by the grant's key {key.lower()}")


def leaf_of(body: VoucherBody) -> Leaf:
    """From JSON to the struct that is hashed."""
    return Leaf(
        _bytes(body.grant_id),
        body.tier,
        body.seq,
        _bytes(body.to),
        _bytes(body.claim_key),
        body.slot,
        _bytes(body.claim_hash),
    )


def batch_of(body: BatchBody) -> Batch:
    """From JSON to the struct that is signed."""
    return Batch(_bytes(body.grant_id), body.batch_seq, _bytes(body.root), body.count, body.issued_at)


def _body(leaf: Leaf) -> VoucherBody:
    return VoucherBody(
        _hex(leaf.grant_id),
        leaf.tier,
        leaf.seq,
        _hex(leaf.to),
        _hex(leaf.claim_key),
        leaf.slot,
        _hex(leaf.claim_hash),
    )


def _header(batch: Batch) -> BatchBody:
    return BatchBody(_hex(batch.grant_id), batch.batch_seq, _hex(batch.root), batch.count, batch.issued_at)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
