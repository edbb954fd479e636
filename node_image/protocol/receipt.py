"""The receipt: all that shows where a mint came from, to someone who has a chain node and none of our servers.

Two forms of the same facts. JSON holds the voucher as the mint answered it, so a receipt alone redeems. The compact
form is deterministic CBOR (RFC 8949, 4.2) and leaves out what follows from the rest: grant id, claim hash, token id,
roots.

A receipt's path `drop/node/epoch/batchSeq/leaf` is the same whoever makes it. The signature's bytes are not: ECDSA
takes a random number, and an HSM takes a new one each time it signs. So nothing is ever named by them.
"""

from __future__ import annotations

from typing import Any, Literal

import cbor2
import msgspec

from node_image.protocol import eip712, merkle
from node_image.protocol.address import checksummed
from node_image.protocol.errors import NoReceipt, NotVerified, ProtocolError
from node_image.protocol.hexes import unhex
from node_image.protocol.manifest import Membership, Token
from node_image.protocol.voucher import BatchBody, Voucher, VoucherBody, batch_of, leaf_of

KIND: Literal["edgedrop receipt"] = "edgedrop receipt"
ANCHORED: Literal["anchored"] = "anchored"
NOT_YET: Literal["not yet anchored"] = "not yet anchored"
# Keys of the compact form; what is optional stands last.
SCHEMA, CLAIM_ID, DROP, NODE, EPOCH, CHAIN, CONTRACT, LEAF, BATCH, PROOF, SIGNATURE, LEASE, PRICE = range(13)
CURRENCY = 13  # where the price is of an ERC-20
TX, MANIFEST, ANCHOR, TIMESTAMP = range(20, 24)
SECTIONS = {"transaction": TX, "manifest": MANIFEST, "anchor": ANCHOR, "timestamp": TIMESTAMP}
HASH = 32


class LeaseBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The lease of the token's tier, as it is open on chain."""

    start: int
    quota: int
    not_before: int
    redeem_by: int


class Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The checkpoint over the batch, on chain: siblings from the batch's digest to `root`.

    `tx` put it there; null where the ledger did not see by which. `timestamp` is an RFC 3161 reply over the root's 32
    bytes (base64 in JSON), one for all receipts of a checkpoint.
    """

    root: str
    proof: tuple[str, ...]
    tx: str | None = None
    timestamp: bytes | None = None


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The JSON form; `make` fills in what follows from the rest."""

    schema: int
    kind: Literal["edgedrop receipt"]
    path: str
    status: Literal["anchored", "not yet anchored"]
    epoch: int
    voucher: Voucher
    lease: LeaseBody
    tx: str | None = None
    manifest: Membership | None = None
    anchor: Anchor | None = None


def make(
    voucher: Voucher,
    epoch: int,
    lease: LeaseBody,
    *,
    tx: str | None = None,
    manifest: Membership | None = None,
    anchor: Anchor | None = None,
) -> Receipt:
    """The receipt of a voucher; NotVerified where its parts contradict each other."""
    status = NOT_YET if anchor is None else ANCHORED
    path = path_of(voucher, epoch)
    made = Receipt(1, KIND, path, status, epoch, voucher, lease, tx=tx, manifest=manifest, anchor=anchor)
    _agree(made)
    return made


def path_of(voucher: Voucher, epoch: int) -> str:
    """`drop/node/epoch/batchSeq/leaf`: where it stands in the journals, whoever asks."""
    leaf = leaf_of(voucher.voucher).struct_hash().hex()
    return f"{voucher.drop}/{voucher.node}/{epoch}/{voucher.batch.batch_seq}/0x{leaf}"


def batch_digest(voucher: Voucher) -> bytes:
    """What the lease key signed, and the leaf of a checkpoint's tree."""
    domain = eip712.Domain(voucher.chain_id, unhex(voucher.contract))
    return eip712.digest(domain.separator, batch_of(voucher.batch).struct_hash())


def to_json(receipt: Receipt) -> bytes:
    """For people and for the browser."""
    return msgspec.json.encode(receipt)


def read(data: bytes) -> Receipt | Voucher:
    """A receipt in either form, or a voucher; NoReceipt where it is none, NotVerified where it contradicts itself."""
    if data.lstrip()[:1] != b"{":
        return from_cbor(data)
    try:
        if "kind" not in msgspec.json.decode(data, type=dict[str, msgspec.Raw]):
            return msgspec.json.decode(data, type=Voucher)
        found = msgspec.json.decode(data, type=Receipt)
    except msgspec.DecodeError as fault:
        raise NoReceipt(f"it is no receipt and no voucher: {fault}") from fault
    if found.schema != 1:
        raise NoReceipt(f"it is a receipt of schema {found.schema}, which this version does not know")
    try:
        told = make(found.voucher, found.epoch, found.lease, tx=found.tx, manifest=found.manifest, anchor=found.anchor)
    except (ValueError, OverflowError) as fault:
        raise NoReceipt(f"it is no receipt: {fault}") from fault
    if told != found:
        raise NotVerified("the receipt's path or status is not what follows from the rest of it")
    return found


def to_cbor(receipt: Receipt) -> bytes:
    """The compact form."""
    return cbor2.dumps(_compact(receipt), canonical=True)


def from_cbor(data: bytes) -> Receipt:
    """From the compact form; NoReceipt where it is none, or not the one encoding of what it says."""
    try:
        made = _expanded(cbor2.loads(data))
        same = to_cbor(made) == data
    except ProtocolError:
        raise
    # A decoder of bytes from anywhere: whatever does not fit is no receipt.
    except (cbor2.CBORDecodeError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as fault:
        raise NoReceipt(f"it is no receipt: {type(fault).__name__}: {fault}") from fault
    if not same:
        raise NoReceipt("it is no receipt: its CBOR is not deterministic")
    return made


def sizes(receipt: Receipt) -> dict[str, int]:
    """Bytes of the compact form: in all, the part that is always there, and each optional section."""
    whole = _compact(receipt)
    parts = {name: _size({key: whole[key]}) - 1 for name, key in SECTIONS.items() if key in whole}
    total = _size(whole)
    return {"total": total, "core": total - sum(parts.values()), **parts}


def _size(told: dict[int, Any]) -> int:
    return len(cbor2.dumps(told, canonical=True))


def _agree(receipt: Receipt) -> None:
    """What must follow from each other: grant and path, claim and leaf, token and lease, entry and token."""
    voucher, body, lease = receipt.voucher, receipt.voucher.voucher, receipt.lease
    if unhex(body.grant_id) != eip712.grant_id(voucher.drop, voucher.node, receipt.epoch):
        raise NotVerified(f"the grant is not that of {voucher.drop}/{voucher.node}/{receipt.epoch}")
    if unhex(body.claim_hash) != eip712.claim_hash(voucher.claim_id):
        raise NotVerified("the claim id is not the one in the leaf")
    if not 0 <= body.seq < lease.quota or str(lease.start + body.seq) != voucher.token_id:
        raise NotVerified(f"token {voucher.token_id} is not in the lease that the receipt names")
    if receipt.manifest is not None and str(receipt.manifest.entry.token_id) != voucher.token_id:
        raise NotVerified(f"the manifest's entry is of token {receipt.manifest.entry.token_id}, not {voucher.token_id}")


def _compact(receipt: Receipt) -> dict[int, Any]:
    voucher, body, batch, lease = receipt.voucher, receipt.voucher.voucher, receipt.voucher.batch, receipt.lease
    leaf = leaf_of(body)
    made: dict[int, Any] = {
        SCHEMA: 1,
        CLAIM_ID: voucher.claim_id,
        DROP: voucher.drop,
        NODE: voucher.node,
        EPOCH: receipt.epoch,
        CHAIN: voucher.chain_id,
        CONTRACT: unhex(voucher.contract),
        LEAF: [body.tier, body.seq, body.slot, *_receiver(leaf)],
        BATCH: [batch.batch_seq, batch.count, batch.issued_at],
        PROOF: _joined(voucher.proof),
        SIGNATURE: unhex(voucher.signature),
        LEASE: [lease.start, lease.quota, lease.not_before, lease.redeem_by],
        PRICE: int(voucher.price_wei),
    }
    if voucher.currency is not None:
        made[CURRENCY] = unhex(voucher.currency)
    if receipt.tx is not None:
        made[TX] = unhex(receipt.tx)
    if (found := receipt.manifest) is not None:
        entry = found.entry
        told = [entry.tier, entry.name, entry.asset, bytes.fromhex(entry.sha256), entry.sku]
        made[MANIFEST] = [found.count, *told, _joined(found.proof)]
    if (anchor := receipt.anchor) is not None:
        made[ANCHOR] = [_joined(anchor.proof), anchor.tx and unhex(anchor.tx)]
        if anchor.timestamp is not None:
            made[TIMESTAMP] = anchor.timestamp
    return made


def _expanded(told: dict[int, Any]) -> Receipt:
    if told[SCHEMA] != 1:
        raise NoReceipt(f"it is a receipt of schema {told[SCHEMA]}, which this version does not know")
    lease = LeaseBody(*told[LEASE])
    voucher = _voucher(told, lease)
    return make(
        voucher,
        told[EPOCH],
        lease,
        tx=_hex(told[TX]) if TX in told else None,
        manifest=_membership(told[MANIFEST], int(voucher.token_id)) if MANIFEST in told else None,
        anchor=_anchor(told, voucher) if ANCHOR in told else None,
    )


def _voucher(told: dict[int, Any], lease: LeaseBody) -> Voucher:
    tier, seq, slot, receiver, by_key = told[LEAF]
    to, claim_key = (eip712.ZERO_ADDRESS, receiver) if by_key else (receiver, eip712.ZERO_ADDRESS)
    grant = eip712.grant_id(told[DROP], told[NODE], told[EPOCH])
    leaf = eip712.Voucher(grant, tier, seq, to, claim_key, slot, eip712.claim_hash(told[CLAIM_ID]))
    siblings = _parted(told[PROOF])
    batch_seq, count, issued_at = told[BATCH]
    root = _hex(merkle.climb(leaf.struct_hash(), siblings))
    grant_id = _hex(grant)
    return Voucher(
        schema=1,
        claim_id=told[CLAIM_ID],
        drop=told[DROP],
        node=told[NODE],
        token_id=str(lease.start + seq),
        chain_id=told[CHAIN],
        contract=checksummed(told[CONTRACT]),
        voucher=VoucherBody(grant_id, tier, seq, _hex(to), _hex(claim_key), slot, _hex(leaf.claim_hash)),
        proof=[_hex(sibling) for sibling in siblings],
        batch=BatchBody(grant_id, batch_seq, root, count, issued_at),
        signature=_hex(told[SIGNATURE]),
        price_wei=str(told[PRICE]),
        currency=checksummed(told[CURRENCY]) if CURRENCY in told else None,
    )


def _membership(told: list[Any], token_id: int) -> Membership:
    count, tier, name, asset, sha256, sku, proof = told
    return Membership(Token(token_id, tier, name, asset, sha256.hex(), sku), count, _hexes(proof))


def _anchor(told: dict[int, Any], voucher: Voucher) -> Anchor:
    proof, tx = told[ANCHOR]
    root = _hex(merkle.climb(batch_digest(voucher), _parted(proof)))
    return Anchor(root, _hexes(proof), None if tx is None else _hex(tx), told.get(TIMESTAMP))


def _receiver(leaf: eip712.Voucher) -> tuple[bytes, bool]:
    """Who gains, and whether that is a claim key."""
    by_key = leaf.to == eip712.ZERO_ADDRESS
    return (leaf.claim_key if by_key else leaf.to), by_key


def _joined(hashes: list[str] | tuple[str, ...]) -> bytes:
    return b"".join(map(unhex, hashes))


def _parted(data: bytes) -> list[bytes]:
    if len(data) % HASH:
        raise ValueError(f"a proof is whole hashes of {HASH} bytes")
    return [data[at : at + HASH] for at in range(0, len(data), HASH)]


def _hexes(data: bytes) -> tuple[str, ...]:
    return tuple(map(_hex, _parted(data)))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
