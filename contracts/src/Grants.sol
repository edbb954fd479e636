// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC721} from "solady/src/tokens/ERC721.sol";
import {LibBit} from "solady/src/utils/LibBit.sol";
import {Holders} from "./Holders.sol";
import {Act, Batch, Grant, Lease, LeaseOpening, Roles, Status, Tier} from "./Types.sol";

/// @title Grants: leases with disjoint ranges, what was anchored of them, and how they end.
/// @notice There is no current epoch: an older grant redeems until its redeem-by, unless it was closed, frozen or revoked.
abstract contract Grants is ERC721, Holders {
    error NotOperator();
    error NotHub();
    error AlreadyOpen(bytes32 grantId);
    error BadGrant();
    error BadLease(uint256 index);
    error Overlap(uint256 index);
    error Ceiling(uint256 index);
    error WrongStatus(Status status);
    error BadHigh(uint256 tier);
    error BadRoot();
    error NotYet();
    error NotEquivocal();
    error BadLost(uint256 index);

    event GrantOpened(bytes32 indexed grantId, address key);
    event LeaseOpened(
        bytes32 indexed grantId, uint8 indexed tier, uint40 start, uint32 quota, uint40 notBefore, uint40 redeemBy
    );
    event GrantStatus(bytes32 indexed grantId, Status status);
    event Anchored(bytes32 indexed grantId, bytes32 root);
    event Equivocated(bytes32 indexed grantId, uint64 batchSeq);
    /// The lease ends at `quota` from now on; what lay above it may be leased again.
    event LeaseCut(bytes32 indexed grantId, uint8 indexed tier, uint32 quota);
    event LostMinted(uint256 indexed tokenId, bytes32 indexed grantId, address indexed to);

    bytes32 private constant BATCH_TYPE =
        keccak256("Batch(bytes32 grantId,uint64 batchSeq,bytes32 root,uint32 count,uint64 issuedAt)");
    bytes32 private constant CLOSE_OUT_TYPE = keccak256("CloseOut(bytes32 grantId,uint32[] highSeqs)");
    bytes32 private constant FREEZE_TYPE = keccak256("Freeze(bytes32 grantId,uint256 nonce,uint256 deadline)");
    bytes32 private constant REVOKE_TYPE = keccak256("Revoke(bytes32 grantId,uint256 nonce,uint256 deadline)");
    bytes32 private constant UNFREEZE_TYPE = keccak256("Unfreeze(bytes32 grantId,uint256 nonce,uint256 deadline)");
    bytes32 private constant ADD_ROOTS_TYPE = keccak256(
        "AddRoots(bytes32 grantId,bytes32[] roots,uint32[] highSeqs,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant RECLAIM_TYPE =
        keccak256("Reclaim(bytes32 grantId,uint8 tier,uint32 fromSeq,uint256 nonce,uint256 deadline)");
    bytes32 private constant MINT_LOST_TYPE = keccak256(
        "MintLost(bytes32 grantId,uint8 tier,uint32[] seqs,address[] receivers,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant LEASE_TYPE =
        keccak256("Lease(uint8 tier,uint40 start,uint32 quota,uint40 notBefore,uint40 redeemBy)");
    bytes32 private constant OPEN_GRANT_TYPE = keccak256(
        "OpenGrant(bytes32 grantId,address key,Lease[] leases,uint256 nonce,uint256 deadline)Lease(uint8 tier,uint40 start,uint32 quota,uint40 notBefore,uint40 redeemBy)"
    );

    address public immutable owner;
    address public immutable operator;
    address public immutable hub;

    Tier[] internal _tiers;
    mapping(uint256 tier => mapping(uint256 word => uint256)) private _leased;
    mapping(bytes32 grantId => Grant) internal _grants;
    mapping(bytes32 grantId => mapping(uint256 tier => Lease)) internal _leases;
    /// What anchored checkpoints cover of each tier: every seq below it. Eight tiers a word, no word for a length.
    mapping(bytes32 grantId => uint32[256]) private _covered;
    /// @notice A grant's checkpoints; nothing is ever taken out.
    mapping(bytes32 grantId => mapping(bytes32 root => bool)) public issuedRoot;
    /// @notice Tokens of a tier in leases that the operator opened without the holders.
    mapping(uint256 tier => uint256) public operatorLeased;

    constructor(Roles memory roles) Holders(roles.holders) {
        (owner, operator, hub) = (roles.owner, roles.operator, roles.hub);
    }

    // ---- opening

    /// @notice Opens a grant with all its leases, once, within the operator's ceilings.
    function openGrant(bytes32 grantId, address key, LeaseOpening[] calldata openings) external {
        if (msg.sender != operator) revert NotOperator();
        _open(grantId, key, openings, true);
    }

    /// @notice The same beyond the ceilings, such as the fallback reserve; two holders sign OpenGrant.
    function openGrantByHolders(bytes32 grantId, address key, LeaseOpening[] calldata openings, Act calldata act)
        external
    {
        bytes32[] memory leases = new bytes32[](openings.length);
        for (uint256 i; i < openings.length; ++i) {
            LeaseOpening calldata l = openings[i];
            leases[i] = keccak256(abi.encode(LEASE_TYPE, l.tier, l.start, l.quota, l.notBefore, l.redeemBy));
        }
        bytes32 hashed = keccak256(abi.encodePacked(leases));
        _authorize(keccak256(abi.encode(OPEN_GRANT_TYPE, grantId, key, hashed, act.nonce, act.deadline)), act, TWO);
        _open(grantId, key, openings, false);
    }

    function _open(bytes32 grantId, address key, LeaseOpening[] calldata openings, bool byOperator) private {
        if (_grants[grantId].key != address(0)) revert AlreadyOpen(grantId);
        if (key == address(0) || openings.length == 0) revert BadGrant();
        _grants[grantId] = Grant(key, Status.Open, false, byOperator);
        emit GrantOpened(grantId, key);
        for (uint256 i; i < openings.length; ++i) {
            _openLease(grantId, openings[i], i, byOperator);
        }
    }

    function _openLease(bytes32 grantId, LeaseOpening calldata l, uint256 index, bool byOperator) private {
        if (l.tier >= _tiers.length || l.quota == 0 || l.notBefore >= l.redeemBy) revert BadLease(index);
        Tier memory tier = _tiers[l.tier];
        uint256 end = uint256(l.start) + l.quota;
        if (l.start < tier.firstToken || end > uint256(tier.firstToken) + tier.supply) revert BadLease(index);
        if (_leases[grantId][l.tier].quota != 0) revert BadLease(index);
        if (byOperator) {
            uint256 total = operatorLeased[l.tier] + l.quota;
            if (l.quota > tier.maxLease || total > tier.operatorCap) revert Ceiling(index);
            operatorLeased[l.tier] = total;
        }
        if (!_takeRange(l.tier, l.start - tier.firstToken, end - tier.firstToken)) revert Overlap(index);
        _leases[grantId][l.tier] =
            Lease(l.start, l.quota, l.notBefore, l.redeemBy, tier.walletCap, tier.slotBase, tier.priceWei);
        emit LeaseOpened(grantId, l.tier, l.start, l.quota, l.notBefore, l.redeemBy);
    }

    /// Sets bits [from, to) of the tier's bitmap, a word of 256 at a time; false when one was set.
    function _takeRange(uint256 tier, uint256 from, uint256 to) private returns (bool) {
        while (from < to) {
            (uint256 word, uint256 mask, uint256 next) = _span(from, to);
            uint256 before = _leased[tier][word];
            if (before & mask != 0) return false;
            _leased[tier][word] = before | mask;
            from = next;
        }
        return true;
    }

    /// The part of [from, to) that lies in the word of `from`.
    function _span(uint256 from, uint256 to) private pure returns (uint256 word, uint256 mask, uint256 next) {
        word = from >> 8;
        uint256 first = from & 255;
        uint256 count = to - from < 256 - first ? to - from : 256 - first;
        mask = (type(uint256).max >> (256 - count)) << first;
        next = from + count;
    }

    // ---- anchoring and closing

    /// @notice The hub's checkpoint: a root over batch digests, and how far each tier is covered by all of them.
    function anchor(bytes32 grantId, bytes32 root, uint32[] calldata highSeqs) external {
        if (msg.sender != hub) revert NotHub();
        if (_grants[grantId].status != Status.Open) revert WrongStatus(_grants[grantId].status);
        _addRoot(grantId, root);
        _cover(grantId, highSeqs);
    }

    function _addRoot(bytes32 grantId, bytes32 root) private {
        if (root == 0) revert BadRoot();
        issuedRoot[grantId][root] = true;
        emit Anchored(grantId, root);
    }

    function _cover(bytes32 grantId, uint32[] calldata highSeqs) private {
        if (highSeqs.length != _tiers.length) revert BadHigh(highSeqs.length);
        for (uint256 t; t < highSeqs.length; ++t) {
            uint32 high = highSeqs[t];
            if (high > _leases[grantId][t].quota) revert BadHigh(t);
            if (high > _covered[grantId][t]) _covered[grantId][t] = high;
        }
    }

    /// @notice Ends an open grant for good: each lease at its high seq, the remainder free again. The lease key says so
    /// and the hub agrees, which is why the range is freed a word at a time, without a look at each token.
    function closeOut(bytes32 grantId, uint32[] calldata highSeqs, bytes calldata nodeSig, bytes calldata hubSig)
        external
    {
        Grant memory grant = _grants[grantId];
        if (grant.status != Status.Open) revert WrongStatus(grant.status);
        if (highSeqs.length != _tiers.length) revert BadHigh(highSeqs.length);
        bytes32 hashed = keccak256(abi.encode(CLOSE_OUT_TYPE, grantId, keccak256(abi.encodePacked(highSeqs))));
        bytes32 digest = _hashTypedData(hashed);
        if (!_by(grant.key, digest, nodeSig)) revert BadSignature(grant.key);
        if (!_by(hub, digest, hubSig)) revert BadSignature(hub);
        for (uint256 t; t < highSeqs.length; ++t) {
            uint32 high = highSeqs[t];
            uint32 quota = _leases[grantId][t].quota;
            if (high > quota || high < _covered[grantId][t]) revert BadHigh(t);
            if (high < quota) _cut(grantId, t, high, false);
        }
        _grants[grantId].closed = true;
        _set(grantId, Status.Closed);
    }

    /// Lowers the lease's quota and frees what lies above; with `unminted` only the tokens that are not there.
    function _cut(bytes32 grantId, uint256 tier, uint32 high, bool unminted) private {
        Lease storage lease = _leases[grantId][tier];
        uint256 first = _tiers[tier].firstToken;
        uint256 offset = lease.start + uint256(high) - first;
        uint256 to = lease.start + uint256(lease.quota) - first;
        uint256 freed;
        while (offset < to) {
            (uint256 word, uint256 mask, uint256 next) = _span(offset, to);
            for (; unminted && offset < next; ++offset) {
                if (_exists(first + offset)) mask &= ~(1 << (offset & 255));
            }
            _leased[tier][word] &= ~mask;
            freed += LibBit.popCount(mask);
            offset = next;
        }
        lease.quota = high;
        if (_grants[grantId].byOperator) operatorLeased[tier] -= freed;
        emit LeaseCut(grantId, uint8(tier), high);
    }

    // ---- when a key is suspected

    /// @notice Any one holder, at once.
    function freeze(bytes32 grantId) external {
        _onlyHolder();
        _freeze(grantId);
    }

    /// @notice The same, sent by anyone with a holder's signature under Freeze.
    function freezeByHolder(bytes32 grantId, Act calldata act) external {
        _authorizeSimple(FREEZE_TYPE, grantId, act, 1);
        _freeze(grantId);
    }

    /// @notice Two batches of one grant and batchSeq: an honest signer can't make them, so anyone may show them.
    function reportEquivocation(Batch calldata a, bytes calldata sigA, Batch calldata b, bytes calldata sigB)
        external
    {
        bytes32 first = _batchDigest(a);
        bytes32 second = _batchDigest(b);
        if (a.grantId != b.grantId || a.batchSeq != b.batchSeq || first == second) revert NotEquivocal();
        address key = _grants[a.grantId].key;
        if (!_by(key, first, sigA) || !_by(key, second, sigB)) revert NotEquivocal();
        emit Equivocated(a.grantId, a.batchSeq);
        _freeze(a.grantId);
    }

    /// @notice For good: from now on only what is proven redeems. Two holders sign Revoke.
    function revoke(bytes32 grantId, Act calldata act) external {
        _authorizeSimple(REVOKE_TYPE, grantId, act, TWO);
        Status status = _grants[grantId].status;
        if (status == Status.None || status == Status.Revoked) revert WrongStatus(status);
        _set(grantId, Status.Revoked);
    }

    /// @notice Back to what it was, open or closed. Two holders sign Unfreeze.
    function unfreeze(bytes32 grantId, Act calldata act) external {
        _authorizeSimple(UNFREEZE_TYPE, grantId, act, TWO);
        Grant memory grant = _grants[grantId];
        if (grant.status != Status.Frozen) revert WrongStatus(grant.status);
        _set(grantId, grant.closed ? Status.Closed : Status.Open);
    }

    /// @notice A supplement: batches that were recovered after the last checkpoint. Two holders sign AddRoots.
    function addRoots(bytes32 grantId, bytes32[] calldata roots, uint32[] calldata highSeqs, Act calldata act)
        external
    {
        bytes32 rootsHash = keccak256(abi.encodePacked(roots));
        bytes32 seqsHash = keccak256(abi.encodePacked(highSeqs));
        _authorize(
            keccak256(abi.encode(ADD_ROOTS_TYPE, grantId, rootsHash, seqsHash, act.nonce, act.deadline)), act, TWO
        );
        if (_grants[grantId].status == Status.None) revert WrongStatus(Status.None);
        for (uint256 i; i < roots.length; ++i) {
            _addRoot(grantId, roots[i]);
        }
        _cover(grantId, highSeqs);
    }

    /// @notice After redeem-by, frees a revoked lease from `fromSeq` on, never below what checkpoints cover; tokens that
    /// exist stay taken, since the key that signed them is not to be believed. A long lease is freed from its end, in
    /// several acts. Two holders sign Reclaim.
    function reclaim(bytes32 grantId, uint8 tier, uint32 fromSeq, Act calldata act) external {
        _authorize(keccak256(abi.encode(RECLAIM_TYPE, grantId, tier, fromSeq, act.nonce, act.deadline)), act, TWO);
        Status status = _grants[grantId].status;
        if (status != Status.Revoked) revert WrongStatus(status);
        Lease memory lease = _leases[grantId][tier];
        if (block.timestamp <= lease.redeemBy) revert NotYet();
        if (fromSeq >= lease.quota || fromSeq < _covered[grantId][tier]) revert BadHigh(tier);
        _cut(grantId, tier, fromSeq, true);
    }

    /// @notice After redeem-by, mints single tokens of a lease whose vouchers are lost. Two holders sign MintLost.
    function mintLost(
        bytes32 grantId,
        uint8 tier,
        uint32[] calldata seqs,
        address[] calldata receivers,
        Act calldata act
    ) external {
        bytes32 seqsHash = keccak256(abi.encodePacked(seqs));
        bytes32 toHash = keccak256(abi.encodePacked(receivers));
        _authorize(
            keccak256(abi.encode(MINT_LOST_TYPE, grantId, tier, seqsHash, toHash, act.nonce, act.deadline)), act, TWO
        );
        Lease memory lease = _leases[grantId][tier];
        if (block.timestamp <= lease.redeemBy) revert NotYet();
        if (seqs.length != receivers.length) revert BadLost(seqs.length);
        for (uint256 i; i < seqs.length; ++i) {
            if (seqs[i] >= lease.quota) revert BadLost(i);
            uint256 id = uint256(lease.start) + seqs[i];
            _mint(receivers[i], id);
            emit LostMinted(id, grantId, receivers[i]);
        }
    }

    /// An act that names the grant alone.
    function _authorizeSimple(bytes32 type_, bytes32 grantId, Act calldata act, uint256 needed) private {
        _authorize(keccak256(abi.encode(type_, grantId, act.nonce, act.deadline)), act, needed);
    }

    function _freeze(bytes32 grantId) private {
        Status status = _grants[grantId].status;
        if (status != Status.Open && status != Status.Closed) revert WrongStatus(status);
        _set(grantId, Status.Frozen);
    }

    function _set(bytes32 grantId, Status status) private {
        _grants[grantId].status = status;
        emit GrantStatus(grantId, status);
    }

    // ---- batches

    function _batchDigest(Batch calldata b) internal view returns (bytes32) {
        return _hashTypedData(keccak256(abi.encode(BATCH_TYPE, b.grantId, b.batchSeq, b.root, b.count, b.issuedAt)));
    }

    /// Whether the key, which must not be zero, signed the digest.
    function _by(address key, bytes32 digest, bytes calldata sig) internal pure returns (bool) {
        return key != address(0) && key == _signer(digest, sig);
    }

    // ---- what anyone may ask

    /// @notice The grant's signing key; zero when it was never opened.
    function grantKey(bytes32 grantId) external view returns (address) {
        return _grants[grantId].key;
    }

    /// @notice The grant's signing key and what it may still do.
    function grantOf(bytes32 grantId) external view returns (address key, Status status) {
        return (_grants[grantId].key, _grants[grantId].status);
    }

    /// @notice The grant's lease in a tier; quota 0 when there is none.
    function leaseOf(bytes32 grantId, uint8 tier) external view returns (Lease memory) {
        return _leases[grantId][tier];
    }

    /// @notice Every seq of the tier below it is covered by a checkpoint.
    function coveredOf(bytes32 grantId, uint8 tier) external view returns (uint32) {
        return _covered[grantId][tier];
    }

    /// @notice Whether the token is in some lease's range.
    function isLeased(uint8 tier, uint256 tokenId) external view returns (bool) {
        uint256 offset = tokenId - _tiers[tier].firstToken;
        return _leased[tier][offset >> 8] >> (offset & 255) & 1 == 1;
    }
}
