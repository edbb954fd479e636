// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC721} from "solady/src/tokens/ERC721.sol";
import {EIP712} from "solady/src/utils/EIP712.sol";
import {LibString} from "solady/src/utils/LibString.sol";
import {MerkleProofLib} from "solady/src/utils/MerkleProofLib.sol";
import {SafeTransferLib} from "solady/src/utils/SafeTransferLib.sol";
import {
    Batch, Grant, Item, Lease, LeaseOpening, Reason, SignedBatch, Split, Tier, TierSpec
} from "./Types.sol";

/// @title A drop's tokens: minted against vouchers that edge nodes signed from leases opened here.
/// @notice Every role and tier is a constructor argument, so that the CREATE2 address names them all; whoever deploys
/// gains nothing by it. The contract is the fence: disjoint lease ranges, a quota per lease, and one nullifier bit per
/// (tier, holder, slot), kept beside the holder's balance (Solady's ERC721 has 224 bits there).
contract EdgedropToken is ERC721, EIP712 {
    error NotOperator();
    error AlreadyOpen(bytes32 grantId);
    error BadGrant();
    error BadLease(uint256 index);
    error Overlap(uint256 index);
    error BadTier(uint256 index);
    error TooManyItems();
    error NotRedeemed(Reason reason);

    event GrantOpened(bytes32 indexed grantId, address key);
    event LeaseOpened(
        bytes32 indexed grantId, uint8 indexed tier, uint40 start, uint32 quota, uint40 notBefore, uint40 redeemBy
    );
    event Redeemed(uint256 indexed tokenId, bytes32 indexed grantId, address indexed to);
    /// `item` is the index in the call; `tokenId` is 0 where no lease names one.
    event Skipped(uint256 indexed tokenId, Reason reason, uint256 item);
    event Withdrawn(uint8 indexed tier, address indexed to, uint256 amount, bool sent);

    uint256 public constant MAX_ITEMS = 200;
    uint256 private constant MAX_SLOTS = 224;
    uint256 private constant BPS = 10_000;
    /// Half the order of secp256k1: a higher s is refused (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    bytes32 private constant VOUCHER_TYPE = keccak256(
        "Voucher(bytes32 grantId,uint8 tier,uint32 seq,address to,address claimKey,uint8 slot,bytes32 claimHash)"
    );
    bytes32 private constant BATCH_TYPE =
        keccak256("Batch(bytes32 grantId,uint64 batchSeq,bytes32 root,uint32 count,uint64 issuedAt)");

    address public immutable owner;
    address public immutable operator;
    bytes32 public immutable manifestDigest;

    string private _name;
    string private _symbol;
    string private _baseUri;
    Tier[] private _tiers;
    mapping(uint256 tier => Split[]) private _splits;
    mapping(uint256 tier => mapping(uint256 word => uint256)) private _leased;
    mapping(bytes32 grantId => Grant) private _grants;
    mapping(bytes32 grantId => mapping(uint256 tier => Lease)) private _leases;
    mapping(uint256 tier => uint256) public takings;
    mapping(uint256 tier => mapping(uint256 split => uint256)) public paidOut;

    constructor(
        string memory name_,
        string memory symbol_,
        string memory baseUri,
        bytes32 manifestDigest_,
        address owner_,
        address operator_,
        TierSpec[] memory tiers
    ) {
        (_name, _symbol, _baseUri) = (name_, symbol_, baseUri);
        (manifestDigest, owner, operator) = (manifestDigest_, owner_, operator_);
        uint256 token;
        uint256 slot;
        for (uint256 i; i < tiers.length; ++i) {
            TierSpec memory tier = tiers[i];
            // Ascending and without overlap, in token ids and in nullifier bits.
            if (tier.firstToken < token || tier.slotBase < slot || tier.supply == 0 || i > 255) revert BadTier(i);
            token = uint256(tier.firstToken) + tier.supply;
            slot = uint256(tier.slotBase) + tier.walletCap;
            if (slot > MAX_SLOTS || tier.walletCap == 0) revert BadTier(i);
            _addTier(i, tier);
        }
    }

    function _addTier(uint256 i, TierSpec memory tier) private {
        uint256 sum;
        for (uint256 k; k < tier.splits.length; ++k) {
            sum += tier.splits[k].shareBps;
            _splits[i].push(tier.splits[k]);
        }
        if (sum != BPS) revert BadTier(i);
        _tiers.push(Tier(tier.firstToken, tier.supply, tier.walletCap, tier.slotBase, tier.priceWei));
    }

    // ---- leases

    /// @notice Opens a grant with all its leases, once. Ranges are disjoint by construction: a bit already set reverts.
    function openGrant(bytes32 grantId, address key, LeaseOpening[] calldata openings) external {
        if (msg.sender != operator) revert NotOperator();
        if (_grants[grantId].key != address(0)) revert AlreadyOpen(grantId);
        if (key == address(0) || openings.length == 0) revert BadGrant();
        _grants[grantId].key = key;
        emit GrantOpened(grantId, key);
        for (uint256 i; i < openings.length; ++i) {
            _openLease(grantId, openings[i], i);
        }
    }

    function _openLease(bytes32 grantId, LeaseOpening calldata l, uint256 index) private {
        if (l.tier >= _tiers.length || l.quota == 0 || l.notBefore >= l.redeemBy) revert BadLease(index);
        Tier memory tier = _tiers[l.tier];
        uint256 end = uint256(l.start) + l.quota;
        if (l.start < tier.firstToken || end > uint256(tier.firstToken) + tier.supply) revert BadLease(index);
        if (_leases[grantId][l.tier].quota != 0) revert BadLease(index);
        if (!_takeRange(l.tier, l.start - tier.firstToken, end - tier.firstToken)) revert Overlap(index);
        _leases[grantId][l.tier] =
            Lease(l.start, l.quota, l.notBefore, l.redeemBy, tier.walletCap, tier.slotBase, tier.priceWei);
        emit LeaseOpened(grantId, l.tier, l.start, l.quota, l.notBefore, l.redeemBy);
    }

    /// Sets bits [from, to) of the tier's bitmap, a word of 256 at a time; false when one was set.
    function _takeRange(uint256 tier, uint256 from, uint256 to) private returns (bool) {
        mapping(uint256 => uint256) storage words = _leased[tier];
        while (from < to) {
            uint256 word = from >> 8;
            uint256 first = from & 255;
            uint256 count = to - from < 256 - first ? to - from : 256 - first;
            uint256 mask = (type(uint256).max >> (256 - count)) << first;
            uint256 before = words[word];
            if (before & mask != 0) return false;
            words[word] = before | mask;
            from += count;
        }
        return true;
    }

    // ---- redeeming

    /// @notice Redeems one voucher, or reverts with the reason. Unspent payment goes back.
    function redeem(SignedBatch calldata signed, Item calldata item) external payable {
        (Reason reason,, uint256 price) = _redeem(item, signed.batch, _signedByGrant(signed), msg.value);
        if (reason != Reason.None) revert NotRedeemed(reason);
        _refund(msg.value - price);
    }

    /// @notice Redeems what is redeemable: an item that isn't is skipped and said, it never takes the others down.
    function redeemMany(SignedBatch[] calldata batches, Item[] calldata items) external payable {
        if (items.length > MAX_ITEMS || batches.length > items.length) revert TooManyItems();
        bool[] memory valid = new bool[](batches.length);
        for (uint256 i; i < batches.length; ++i) {
            valid[i] = _signedByGrant(batches[i]);
        }
        uint256 left = msg.value;
        for (uint256 i; i < items.length; ++i) {
            (Reason reason, uint256 id, uint256 price) = _redeemFrom(batches, valid, items[i], left);
            if (reason != Reason.None) emit Skipped(id, reason, i);
            left -= price;
        }
        _refund(left);
    }

    function _redeemFrom(SignedBatch[] calldata batches, bool[] memory valid, Item calldata item, uint256 left)
        private
        returns (Reason, uint256, uint256)
    {
        if (item.batch >= batches.length) return (Reason.BadBatch, 0, 0);
        return _redeem(item, batches[item.batch].batch, valid[item.batch], left);
    }

    function _redeem(Item calldata item, Batch calldata batch, bool valid, uint256 funds)
        private
        returns (Reason reason, uint256 id, uint256 price)
    {
        Lease memory lease = _leases[batch.grantId][item.tier];
        if (item.seq >= lease.quota) return (Reason.NoLease, 0, 0);
        id = uint256(lease.start) + item.seq;
        price = lease.priceWei;
        reason = _check(item, batch, valid, lease);
        if (reason == Reason.None) reason = _takeNullifier(item, lease, id, funds);
        if (reason != Reason.None) return (reason, id, 0);
        if (price != 0) takings[item.tier] += price;
        _mint(item.to, id);
        emit Redeemed(id, batch.grantId, item.to);
    }

    /// What the voucher itself must fulfil.
    function _check(Item calldata item, Batch calldata batch, bool valid, Lease memory lease)
        private
        view
        returns (Reason)
    {
        if (!valid) return Reason.BadBatch;
        if (block.timestamp < lease.notBefore) return Reason.TooEarly;
        if (block.timestamp > lease.redeemBy) return Reason.TooLate;
        // Vouchers for a claim key need its Receive signature, which this call doesn't carry.
        if (item.to == address(0) || item.claimKey != address(0)) return Reason.BadReceiver;
        bytes32 leaf = keccak256(
            abi.encode(
                VOUCHER_TYPE, batch.grantId, item.tier, item.seq, item.to, item.claimKey, item.slot, item.claimHash
            )
        );
        return MerkleProofLib.verifyCalldata(item.proof, batch.root, leaf) ? Reason.None : Reason.NotInBatch;
    }

    /// What the chain must still have free; takes the nullifier when all is.
    function _takeNullifier(Item calldata item, Lease memory lease, uint256 id, uint256 funds)
        private
        returns (Reason)
    {
        if (item.slot >= lease.walletCap) return Reason.BadSlot;
        uint256 used = _getAux(item.to);
        uint256 bit = 1 << (uint256(lease.slotBase) + item.slot); // below 224: the constructor saw to it
        if (used & bit != 0) return Reason.NullifierUsed;
        if (_exists(id)) return Reason.TokenTaken;
        if (lease.priceWei > funds) return Reason.Unpaid;
        _setAux(item.to, uint224(used | bit));
        return Reason.None;
    }

    /// Whether the grant's key signed the batch: 65 bytes, low s, a signer that is not zero.
    function _signedByGrant(SignedBatch calldata signed) private view returns (bool) {
        Batch calldata b = signed.batch;
        bytes calldata sig = signed.signature;
        if (sig.length != 65 || uint256(bytes32(sig[32:64])) > HALF_ORDER) return false;
        bytes32 digest =
            _hashTypedData(keccak256(abi.encode(BATCH_TYPE, b.grantId, b.batchSeq, b.root, b.count, b.issuedAt)));
        address signer = ecrecover(digest, uint8(sig[64]), bytes32(sig[:32]), bytes32(sig[32:64]));
        return signer != address(0) && signer == _grants[b.grantId].key;
    }

    function _refund(uint256 amount) private {
        if (amount != 0) SafeTransferLib.safeTransferETH(msg.sender, amount);
    }

    // ---- takings

    /// @notice Pays each creator floor(takings x share / 10,000) less what was paid; the last one gets the rest, so that
    /// shares and payments agree to the wei. A creator who can't receive keeps the claim and blocks nobody.
    function withdraw(uint8 tier) external {
        Split[] storage splits = _splits[tier];
        uint256 total = takings[tier];
        uint256 rest = total;
        uint256 last = splits.length - 1;
        for (uint256 i; i <= last; ++i) {
            uint256 share = i == last ? rest : total * splits[i].shareBps / BPS;
            rest -= share;
            _pay(tier, i, splits[i].to, share);
        }
    }

    function _pay(uint8 tier, uint256 i, address to, uint256 share) private {
        uint256 paid = paidOut[tier][i];
        // A creator called below may have withdrawn again: then more is paid than this share knows of.
        if (share <= paid) return;
        paidOut[tier][i] = share;
        (bool sent,) = to.call{value: share - paid}("");
        if (!sent) paidOut[tier][i] = paid;
        emit Withdrawn(tier, to, share - paid, sent);
    }

    // ---- what anyone may ask

    function name() public view override returns (string memory) {
        return _name;
    }

    function symbol() public view override returns (string memory) {
        return _symbol;
    }

    function tokenURI(uint256 id) public view override returns (string memory) {
        if (!_exists(id)) revert TokenDoesNotExist();
        return string.concat(_baseUri, LibString.toString(id));
    }

    /// @notice The grant's signing key; zero when it is not open.
    function grantKey(bytes32 grantId) external view returns (address) {
        return _grants[grantId].key;
    }

    /// @notice The grant's lease in a tier; quota 0 when there is none.
    function leaseOf(bytes32 grantId, uint8 tier) external view returns (Lease memory) {
        return _leases[grantId][tier];
    }

    /// @notice Whether the holder's bit (the tier's slotBase + slot) was used.
    function nullifierUsed(address to, uint8 bit) external view returns (bool) {
        return bit < MAX_SLOTS && _getAux(to) >> bit & 1 == 1;
    }

    /// @notice A tier with its splits.
    function tierOf(uint8 tier) external view returns (Tier memory, Split[] memory) {
        return (_tiers[tier], _splits[tier]);
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Edgedrop", "1");
    }
}
