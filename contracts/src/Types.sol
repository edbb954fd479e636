// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// One creator's part of a tier's takings; the parts of a tier add up to 10,000.
struct Split {
    address to;
    uint16 shareBps;
}

/// A tier as the constructor is told it: tokens firstToken .. firstToken + supply - 1; a holder's nullifier bits
/// slotBase .. slotBase + walletCap - 1.
struct TierSpec {
    uint40 firstToken;
    uint32 supply;
    uint8 walletCap;
    uint8 slotBase;
    uint88 priceWei;
    Split[] splits;
}

/// A tier without its splits: one storage word.
struct Tier {
    uint40 firstToken;
    uint32 supply;
    uint8 walletCap;
    uint8 slotBase;
    uint88 priceWei;
}

/// A lease as the operator opens it. Planning names the start, so that a reorg can't move a range.
struct LeaseOpening {
    uint8 tier;
    uint40 start;
    uint32 quota;
    uint40 notBefore;
    uint40 redeemBy;
}

/// An open lease, with what redeeming needs of its tier, which never changes: one storage word, read once (a second
/// word would cost 2,100 gas a call).
struct Lease {
    uint40 start;
    uint32 quota;
    uint40 notBefore;
    uint40 redeemBy;
    uint8 walletCap;
    uint8 slotBase;
    uint88 priceWei;
}

/// A grant; the rest of its word is for the marks of freeze, revoke and close-out.
struct Grant {
    address key;
}

/// EIP-712: the only thing a lease key signs.
struct Batch {
    bytes32 grantId;
    uint64 batchSeq;
    bytes32 root;
    uint32 count;
    uint64 issuedAt;
}

/// A batch with its 65-byte signature (r, s, v of 27 or 28, low s).
struct SignedBatch {
    Batch batch;
    bytes signature;
}

/// A voucher (without the grant id, which its batch names) with its place in the batch's tree; `batch` is the index of
/// its SignedBatch in the same call.
struct Item {
    uint16 batch;
    uint8 tier;
    uint8 slot;
    uint32 seq;
    address to;
    address claimKey;
    bytes32 claimHash;
    bytes32[] proof;
}

/// Why an item was skipped. The order is part of the interface: indexers read the number.
enum Reason {
    None,
    BadBatch,
    NoLease,
    NotInBatch,
    TooEarly,
    TooLate,
    BadReceiver,
    BadSlot,
    NullifierUsed,
    TokenTaken,
    Unpaid
}
