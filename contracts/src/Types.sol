// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// One creator's part of a tier's takings; the parts of a tier add up to 10,000.
struct Split {
    address to;
    uint16 shareBps;
}

/// One of the three holders. `isContract` fixes how it signs for ever: with ERC-1271 alone, or with ECDSA alone, so that
/// code which appears at its address (EIP-7702) changes nothing.
struct Holder {
    address account;
    bool isContract;
}

/// Who may do what. Holders are ascending, so that the same three are always the same address of the contract.
struct Roles {
    address owner;
    address operator;
    address hub;
    Holder[3] holders;
    address royaltyTo;
    uint16 royaltyBps;
}

/// A tier as the constructor is told it: tokens firstToken .. firstToken + supply - 1; a holder's nullifier bits
/// slotBase .. slotBase + walletCap - 1. The operator alone opens leases of up to maxLease tokens, and never has more
/// than operatorCap out; beyond it two holders sign. A currency of zero is ether, else an ERC-20.
struct TierSpec {
    uint40 firstToken;
    uint32 supply;
    uint8 walletCap;
    uint8 slotBase;
    uint88 priceWei;
    uint32 maxLease;
    uint32 operatorCap;
    address currency;
    Split[] splits;
}

/// A tier without its splits and currency: one storage word.
struct Tier {
    uint40 firstToken;
    uint32 supply;
    uint8 walletCap;
    uint8 slotBase;
    uint88 priceWei;
    uint32 maxLease;
    uint32 operatorCap;
}

/// A lease as it is opened. Planning names the start, so that a reorg can't move a range.
struct LeaseOpening {
    uint8 tier;
    uint40 start;
    uint32 quota;
    uint40 notBefore;
    uint40 redeemBy;
}

/// An open lease, with what redeeming needs of its tier, which never changes: one storage word, read once (a second
/// word would cost 2,100 gas a call). Close-out and reclaim lower the quota.
struct Lease {
    uint40 start;
    uint32 quota;
    uint40 notBefore;
    uint40 redeemBy;
    uint8 walletCap;
    uint8 slotBase;
    uint88 priceWei;
}

/// What a grant may still do. The order is part of the interface.
enum Status {
    None,
    Open,
    Frozen,
    Revoked,
    Closed
}

/// A grant: one storage word. `closed` outlasts a freeze, so that unfreezing never reopens; `byOperator` says whose
/// count its remainder goes back to.
struct Grant {
    address key;
    Status status;
    bool closed;
    bool byOperator;
}

/// EIP-712: the only thing a lease key signs while it sells.
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

/// That a batch's digest is under a root of its grant's issuedRoots.
struct Proven {
    uint16 batch;
    bytes32 root;
    bytes32[] proof;
}

/// Who gets the token of a voucher for a claim key, signed by that key: EIP-712 Receive(leafHash, receiver).
struct Receive {
    uint16 item;
    address receiver;
    bytes signature;
}

/// An ERC-3009 authorisation to pay this contract; its nonce is the voucher's leaf.
struct Authorization {
    uint16 item;
    address payer;
    uint256 validAfter;
    uint256 validBefore;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// What some items or batches of a call need beside themselves; receives and authorizations in the items' order.
struct Extras {
    Proven[] proven;
    Receive[] receives;
    Authorization[] authorizations;
}

/// A holder's signature under an act; `holder` is 0, 1 or 2.
struct HolderSignature {
    uint8 holder;
    bytes signature;
}

/// What every act of the holders carries: a nonce that each of them uses once, in any order, and a last moment.
struct Act {
    uint256 nonce;
    uint256 deadline;
    HolderSignature[] signatures;
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
    Unpaid,
    Unproven
}
