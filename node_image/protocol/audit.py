"""Whether a receipt, or a bare voucher, is what it says: step by step, what was checked, and what was not and why.

Pure: what is asked of a chain, a person or a file comes in as `Known`. The mint's `verify/verify.js` does the same in
the browser; both pass tests/vectors/receipt.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from node_image.protocol import manifest, merkle, voucher
from node_image.protocol.address import checksummed
from node_image.protocol.amounts import amount
from node_image.protocol.errors import NotVerified
from node_image.protocol.hexes import unhex
from node_image.protocol.receipt import LeaseBody, Receipt, batch_digest
from node_image.protocol.signature import recover

OFFLINE = "no chain was asked"
BARE = "a voucher does not carry it; ask the mint for the receipt"
NO_ENTRY = "the receipt has no entry of the manifest"
NO_STAMP = "the receipt has no RFC 3161 reply"


@dataclass(frozen=True, slots=True)
class ChainSaid:
    """The contract's answers about one token. `anchored_at` is the time of the block that holds the anchor."""

    chain_id: int
    key: str | None
    lease: LeaseBody
    manifest_digest: str | None
    price_wei: int  # of a token of its tier, in the smallest unit of its currency
    currency: str | None  # an ERC-20; None for ether
    grant: str = "open"  # or frozen, revoked, closed
    issued: bool = False
    anchored_at: int | None = None
    owner: str | None = None
    tx_redeems: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the receipt is held against; None where nobody said."""

    key: str | None = None
    chain: ChainSaid | None = None
    asset: bytes | None = None
    stamped_at: datetime | None = None  # what the RFC 3161 reply says, once it verified under a certificate


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a verifier may look at; `told` is what was found, or why it was not looked at."""

    name: str
    checked: bool
    told: str


def audit(told: Receipt | voucher.Voucher, known: Known) -> list[Step]:
    """All steps in order; NotVerified at the first that does not hold."""
    receipt = told if isinstance(told, Receipt) else None
    made = told.voucher if isinstance(told, Receipt) else told
    if known.chain and known.chain.chain_id != made.chain_id:
        raise NotVerified(f"it is for chain {made.chain_id}, this node is of chain {known.chain.chain_id}")
    return [
        _leaf(made),
        _key(made, known),
        _lease(made, receipt, known.chain),
        _price(made, known.chain),
        _manifest(made, receipt, known.chain),
        _asset(receipt, known),
        *_times(made, receipt, known),
        _grant(receipt, known.chain),
        _redeemed(made, receipt, known.chain),
        _left("contract", "that the contract is the drop's own; `edgedrop plan` names it"),
    ]


def _found(name: str, told: str) -> Step:
    return Step(name, checked=True, told=told)


def _left(name: str, why: str) -> Step:
    return Step(name, checked=False, told=why)


def _leaf(made: voucher.Voucher) -> Step:
    leaf, batch = voucher.leaf_of(made.voucher), voucher.batch_of(made.batch)
    if merkle.climb(leaf.struct_hash(), [unhex(sibling) for sibling in made.proof]) != batch.root:
        raise NotVerified("the voucher is not under the batch's root")
    return _found("leaf", f"token {made.token_id} is under the root of batch {batch.batch_seq}, one of {batch.count}")


def _key(made: voucher.Voucher, known: Known) -> Step:
    key = known.chain.key if known.chain else known.key
    if key is None and known.chain is None:
        signer = checksummed(recover(batch_digest(made), unhex(made.signature)))
        return _left("key", f"the batch is signed by {signer}; whether that is the grant's key nobody said")
    if key is None:
        raise NotVerified(f"no such grant is open at {made.contract}")
    voucher.verify(made, key)
    source = "the grant's key on chain" if known.chain else "as it was given; that it is the grant's was not asked"
    return _found("key", f"the batch is signed by {key}, {source}")


def _lease(made: voucher.Voucher, receipt: Receipt | None, chain: ChainSaid | None) -> Step:
    if chain is None:
        return _left("lease", OFFLINE)
    lease, seq = chain.lease, made.voucher.seq
    if seq >= lease.quota or str(lease.start + seq) != made.token_id:
        raise NotVerified(f"token {made.token_id} is not in the grant's lease on chain")
    if receipt and not _same_lease(receipt.lease, chain):
        raise NotVerified("the lease on chain is not the one that the receipt names")
    span = f"tokens {lease.start} to {lease.start + lease.quota - 1}"
    return _found("lease", f"on chain the grant may sign {span}, to be redeemed before {_time(lease.redeem_by)}")


def _same_lease(held: LeaseBody, chain: ChainSaid) -> bool:
    """A close-out, or holders taking back a revoked rest, cuts the quota of a lease and nothing else of it."""
    cut = chain.grant != "open" and chain.lease.quota < held.quota
    return msgspec.structs.replace(held, quota=chain.lease.quota) == chain.lease if cut else held == chain.lease


def _price(made: voucher.Voucher, chain: ChainSaid | None) -> Step:
    """Neither is in the leaf: what is to be paid is the contract's to say."""
    if chain is None:
        return _left("price", OFFLINE)
    named = (made.currency or "").lower()
    if (int(made.price_wei), named) != (chain.price_wei, (chain.currency or "").lower()):
        raise NotVerified("the price on chain is not the one that it names")
    if chain.price_wei == 0:
        return _found("price", "on chain its tier is free")
    paid = f"{chain.price_wei} of the smallest unit of the ERC-20 {chain.currency}"
    return _found("price", f"on chain its tier is redeemed for {paid if chain.currency else amount(chain.price_wei)}")


def _manifest(made: voucher.Voucher, receipt: Receipt | None, chain: ChainSaid | None) -> Step:
    if receipt is None or receipt.manifest is None:
        return _left("manifest", NO_ENTRY if receipt else BARE)
    if chain is None:
        return _left("manifest", OFFLINE)
    if receipt.manifest.digest(made.drop) != chain.manifest_digest:
        raise NotVerified("the token's entry is not in the manifest that the contract names")
    entry = receipt.manifest.entry
    return _found("manifest", f"the contract's manifest has it: {entry.name}, file {entry.asset}")


def _asset(receipt: Receipt | None, known: Known) -> Step:
    if known.asset is None:
        return _left("asset", "no file was given, and nothing is fetched")
    if receipt is None or receipt.manifest is None:
        raise NotVerified("there is no entry of the manifest to hold the file against")
    if manifest.fingerprint(known.asset) != receipt.manifest.entry.sha256:
        raise NotVerified(f"the file is not the one that the manifest names ({receipt.manifest.entry.asset})")
    source = "the manifest names" if known.chain else "the receipt names; that the manifest does was not asked"
    return _found("asset", f"the file is, byte for byte, the one that {source}")


def _times(made: voucher.Voucher, receipt: Receipt | None, known: Known) -> Iterator[Step]:
    """The signer's word, then what bounds it from above."""
    lease, issued = receipt.lease if receipt else None, made.batch.issued_at
    if known.chain:
        lease = known.chain.lease
    if lease is None:
        yield _left("signed at", f"{_time(issued)} is the signer's word; no lease to hold it against")
    elif lease.not_before <= issued < lease.redeem_by:
        yield _found("signed at", f"{_time(issued)}; the signer's word, within the lease's time")
    else:
        raise NotVerified(f"the signer says {_time(issued)}, which is outside the lease's time")
    yield _anchored(made, receipt, known.chain)
    yield _stamped(receipt, known.stamped_at)


def _anchored(made: voucher.Voucher, receipt: Receipt | None, chain: ChainSaid | None) -> Step:
    if receipt is None or receipt.anchor is None:
        return _left("anchor", receipt.status if receipt else BARE)
    anchor = receipt.anchor
    if merkle.climb(batch_digest(made), [unhex(sibling) for sibling in anchor.proof]) != unhex(anchor.root):
        raise NotVerified("the batch is not under the checkpoint's root")
    if chain is None:
        return _left("anchor", f"the batch is under the checkpoint, but {OFFLINE}")
    if not chain.issued:
        raise NotVerified("the receipt says anchored, but its checkpoint is not on chain")
    when = f", since {_time(chain.anchored_at)}" if chain.anchored_at else "; since when was not found"
    return _found("anchor", f"anchored: its checkpoint is on chain{when}")


def _stamped(receipt: Receipt | None, stamped_at: datetime | None) -> Step:
    if receipt is None or receipt.anchor is None or receipt.anchor.timestamp is None:
        return _left("timestamp", NO_STAMP if receipt else BARE)
    if stamped_at is None:
        return _left("timestamp", "nobody said which authority to believe (--tsa-ca)")
    return _found("timestamp", f"an RFC 3161 authority saw its checkpoint at {_time(stamped_at.timestamp())}")


def _grant(receipt: Receipt | None, chain: ChainSaid | None) -> Step:
    """A frozen or revoked grant is no fault of the buyer's: what an anchor proves redeems, the rest waits."""
    if chain is None:
        return _left("grant", OFFLINE)
    if chain.grant not in {"frozen", "revoked"} or chain.owner is not None:
        return _found("grant", f"the grant is {chain.grant}")
    if receipt and receipt.anchor:
        return _found("grant", f"the grant is {chain.grant}; it redeems all the same, by its anchor")
    return _found("grant", f"the grant is {chain.grant}; it is pending until the holders add its batch, not void")


def _redeemed(made: voucher.Voucher, receipt: Receipt | None, chain: ChainSaid | None) -> Step:
    if chain is None:
        return _left("redeemed", OFFLINE)
    named = receipt.tx if receipt else None
    if chain.owner is None and named:
        raise NotVerified("the receipt names a transaction, but the token is not minted")
    if chain.owner is None:
        return _found("redeemed", "not redeemed yet")
    if named and not chain.tx_redeems:
        raise NotVerified("the transaction that the receipt names did not redeem this token")
    return _found("redeemed", f"redeemed{f' by {named}' if named else ''}; token {made.token_id} is {chain.owner}'s")


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError):  # a lease without an end: the contract's clock goes further than a calendar
        return f"second {seconds:.0f}"
