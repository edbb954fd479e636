// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC721} from "solady/src/tokens/ERC721.sol";
import {LibString} from "solady/src/utils/LibString.sol";
import {MerkleProofLib} from "solady/src/utils/MerkleProofLib.sol";
import {SafeTransferLib} from "solady/src/utils/SafeTransferLib.sol";
import {Grants} from "./Grants.sol";
import {
    Authorization,
    Batch,
    Extras,
    Grant,
    Item,
    Lease,
    Proven,
    Reason,
    Receive,
    Roles,
    SignedBatch,
    Split,
    Status,
    Tier,
    TierSpec
} from "./Types.sol";

interface IERC20 {
    function transfer(address to, uint256 amount) external returns (bool);
}

/// ERC-3009: only the payee can use such an authorisation, so nobody can spend it without redeeming.
interface IERC3009 {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;
}

/// @title A drop's tokens: minted against vouchers that edge nodes signed from leases opened here.
/// @notice Every role and tier is a constructor argument, so that the CREATE2 address names them all; whoever deploys
/// gains nothing by it. The contract is the fence: disjoint lease ranges, a quota per lease, and one nullifier bit per
/// (tier, holder, slot), kept beside the holder's balance (Solady's ERC721 has 224 bits there).
contract EdgedropToken is Grants {
    error BadTier(uint256 index);
    error TooManyItems();
    error NotRedeemed(Reason reason);
    error NotOwner();
    error NotSelf();
    error NotThePrice();
    error Reentered();
    error BadRoyalty();

    event Redeemed(uint256 indexed tokenId, bytes32 indexed grantId, address indexed to);
    /// `item` is the index in the call; `tokenId` is 0 where no lease names one.
    event Skipped(uint256 indexed tokenId, Reason reason, uint256 item);
    event Withdrawn(uint8 indexed tier, address indexed to, uint256 amount, bool sent);
    /// ERC-4906.
    event BatchMetadataUpdate(uint256 fromTokenId, uint256 toTokenId);

    uint256 public constant MAX_ITEMS = 200;
    uint256 private constant MAX_SLOTS = 224;
    uint256 private constant BPS = 10_000;
    bytes32 private constant VOUCHER_TYPE = keccak256(
        "Voucher(bytes32 grantId,uint8 tier,uint32 seq,address to,address claimKey,uint8 slot,bytes32 claimHash)"
    );
    bytes32 private constant RECEIVE_TYPE = keccak256("Receive(bytes32 leafHash,address receiver)");

    bytes32 public immutable manifestDigest;
    address public immutable royaltyTo;
    uint256 public immutable royaltyBps;

    string private _name;
    string private _symbol;
    string private _baseUri;
    mapping(uint256 tier => address) private _currencies;
    mapping(uint256 tier => Split[]) private _splits;
    mapping(uint256 tier => uint256) public takings;
    mapping(uint256 tier => mapping(uint256 split => uint256)) public paidOut;
    /// @notice The nullifiers of vouchers for a claim key, which is itself the nullifier. A word of its own for each: keys
    /// are random, so no two would share a bitmap's word; a bit beside the receiver's balance would be another bit for
    /// another receiver; and a bit beside the key's own balance costs the same new word and would mean two things.
    mapping(address claimKey => bool) public claimKeyUsed;
    /// While an ERC-20 is called nothing redeems: its hooks may belong to anyone.
    bool private transient _paying;

    constructor(
        string memory name_,
        string memory symbol_,
        string memory baseUri,
        bytes32 manifestDigest_,
        Roles memory roles,
        TierSpec[] memory tiers
    ) Grants(roles) {
        if (roles.royaltyBps > BPS) revert BadRoyalty();
        (_name, _symbol, _baseUri) = (name_, symbol_, baseUri);
        (manifestDigest, royaltyTo, royaltyBps) = (manifestDigest_, roles.royaltyTo, roles.royaltyBps);
        uint256 token;
        uint256 slot;
        for (uint256 i; i < tiers.length; ++i) {
            TierSpec memory tier = tiers[i];
            // Ascending and without overlap, in token ids and in nullifier bits.
            if (tier.firstToken < token || tier.slotBase < slot || tier.supply == 0 || i > 255) revert BadTier(i);
            token = uint256(tier.firstToken) + tier.supply;
            slot = uint256(tier.slotBase) + tier.walletCap;
            if (slot > MAX_SLOTS || tier.walletCap == 0 || tier.operatorCap > tier.supply) revert BadTier(i);
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
        if (tier.currency != address(0)) _currencies[i] = tier.currency;
        _tiers.push(
            Tier(
                tier.firstToken,
                tier.supply,
                tier.walletCap,
                tier.slotBase,
                tier.priceWei,
                tier.maxLease,
                tier.operatorCap
            )
        );
    }

    // ---- redeeming

    modifier whileNotPaying() {
        if (_paying) revert Reentered();
        _;
    }

    /// @notice Redeems one voucher, or reverts with the reason. Unspent payment goes back.
    function redeem(SignedBatch calldata signed, Item calldata item) external payable whileNotPaying {
        Authorization memory none;
        (Reason reason,, uint256 spent) =
            _redeem(item, signed.batch, _judge(signed), msg.value, address(0), none);
        if (reason != Reason.None) revert NotRedeemed(reason);
        _refund(msg.value - spent);
    }

    /// @notice Redeems what is redeemable: an item that isn't is skipped and said, it never takes the others down.
    function redeemMany(SignedBatch[] calldata batches, Item[] calldata items) external payable whileNotPaying {
        Reason[] memory judged = _judgeAll(batches, items);
        Authorization memory none;
        uint256 left = msg.value;
        for (uint256 i; i < items.length; ++i) {
            left -= _redeemAt(batches, judged, items[i], i, left, address(0), none);
        }
        _refund(left);
    }

    /// @notice The same with what a frozen or revoked grant, a claim key or an ERC-3009 payer needs.
    function redeemManyWith(SignedBatch[] calldata batches, Item[] calldata items, Extras calldata extras)
        external
        payable
        whileNotPaying
    {
        Reason[] memory judged = _judgeAll(batches, items);
        for (uint256 i; i < extras.proven.length; ++i) {
            _judgeProven(batches, judged, extras.proven[i]);
        }
        uint256 left = msg.value;
        uint256 r;
        uint256 a;
        for (uint256 i; i < items.length; ++i) {
            address receiver;
            Authorization memory auth;
            if (r < extras.receives.length && extras.receives[r].item == i) {
                receiver = _receiver(batches, items[i], extras.receives[r++]);
            }
            if (a < extras.authorizations.length && extras.authorizations[a].item == i) {
                auth = extras.authorizations[a++];
            }
            left -= _redeemAt(batches, judged, items[i], i, left, receiver, auth);
        }
        _refund(left);
    }

    /// What is wrong with each batch, apart from its items.
    function _judgeAll(SignedBatch[] calldata batches, Item[] calldata items)
        private
        view
        returns (Reason[] memory judged)
    {
        if (items.length > MAX_ITEMS || batches.length > items.length) revert TooManyItems();
        judged = new Reason[](batches.length);
        for (uint256 i; i < batches.length; ++i) {
            judged[i] = _judge(batches[i]);
        }
    }

    function _judge(SignedBatch calldata signed) private view returns (Reason) {
        Batch calldata batch = signed.batch;
        Grant storage grant = _grants[batch.grantId];
        (address key, Status status) = (grant.key, grant.status); // one word
        if (!_by(key, _batchDigest(batch), signed.signature)) return Reason.BadBatch;
        return status == Status.Frozen || status == Status.Revoked ? Reason.Unproven : Reason.None;
    }

    /// A batch of a frozen or revoked grant is good where a checkpoint holds it; when it was issued is its signer's word.
    function _judgeProven(SignedBatch[] calldata batches, Reason[] memory judged, Proven calldata proven)
        private
        view
    {
        if (proven.batch >= batches.length || judged[proven.batch] != Reason.Unproven) return;
        Batch calldata batch = batches[proven.batch].batch;
        if (
            issuedRoot[batch.grantId][proven.root]
                && MerkleProofLib.verifyCalldata(proven.proof, proven.root, _batchDigest(batch))
        ) judged[proven.batch] = Reason.None;
    }

    /// Whom the voucher's claim key names; zero when it didn't sign.
    function _receiver(SignedBatch[] calldata batches, Item calldata item, Receive calldata told)
        private
        view
        returns (address)
    {
        if (item.batch >= batches.length || item.claimKey == address(0)) return address(0);
        bytes32 leaf = _leaf(item, batches[item.batch].batch.grantId);
        bytes32 digest = _hashTypedData(keccak256(abi.encode(RECEIVE_TYPE, leaf, told.receiver)));
        return _signer(digest, told.signature) == item.claimKey ? told.receiver : address(0);
    }

    function _redeemAt(
        SignedBatch[] calldata batches,
        Reason[] memory judged,
        Item calldata item,
        uint256 i,
        uint256 left,
        address receiver,
        Authorization memory auth
    ) private returns (uint256 spent) {
        Reason reason = Reason.BadBatch;
        uint256 id;
        if (item.batch < batches.length) {
            (reason, id, spent) =
                _redeem(item, batches[item.batch].batch, judged[item.batch], left, receiver, auth);
        }
        if (reason != Reason.None) emit Skipped(id, reason, i);
    }

    function _redeem(
        Item calldata item,
        Batch calldata batch,
        Reason judged,
        uint256 funds,
        address receiver,
        Authorization memory auth
    ) private returns (Reason reason, uint256 id, uint256 spent) {
        Lease memory lease = _leases[batch.grantId][item.tier];
        if (item.seq >= lease.quota) return (Reason.NoLease, 0, 0);
        id = uint256(lease.start) + item.seq;
        address claimKey = item.claimKey;
        // Exactly one of both names who gains.
        if (claimKey == address(0)) receiver = item.to;
        else if (item.to != address(0)) receiver = address(0);
        bytes32 leaf = _leaf(item, batch.grantId);
        reason = _check(item, batch.root, leaf, judged, lease, receiver);
        if (reason != Reason.None) return (reason, id, 0);
        uint256 used;
        (reason, used) = _free(item.slot, lease, id, receiver, claimKey);
        if (reason == Reason.None && lease.priceWei != 0) {
            (reason, spent) = _charge(item.tier, lease.priceWei, funds, leaf, auth);
        }
        if (reason != Reason.None) return (reason, id, 0);
        if (claimKey == address(0)) _setAux(receiver, uint224(used));
        else claimKeyUsed[claimKey] = true;
        _mint(receiver, id);
        emit Redeemed(id, batch.grantId, receiver);
    }

    function _leaf(Item calldata item, bytes32 grantId) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                VOUCHER_TYPE, grantId, item.tier, item.seq, item.to, item.claimKey, item.slot, item.claimHash
            )
        );
    }

    /// What the voucher itself must fulfil.
    function _check(
        Item calldata item,
        bytes32 root,
        bytes32 leaf,
        Reason judged,
        Lease memory lease,
        address receiver
    ) private view returns (Reason) {
        if (judged != Reason.None) return judged;
        if (block.timestamp < lease.notBefore) return Reason.TooEarly;
        if (block.timestamp > lease.redeemBy) return Reason.TooLate;
        if (receiver == address(0)) return Reason.BadReceiver;
        return MerkleProofLib.verifyCalldata(item.proof, root, leaf) ? Reason.None : Reason.NotInBatch;
    }

    /// What the chain must still have free; `used` is what the holder's bits become.
    function _free(uint256 slot, Lease memory lease, uint256 id, address receiver, address claimKey)
        private
        view
        returns (Reason reason, uint256 used)
    {
        if (slot >= lease.walletCap) return (Reason.BadSlot, 0);
        if (claimKey == address(0)) {
            uint256 bit = 1 << (lease.slotBase + slot); // below 224: the constructor saw to it
            used = _getAux(receiver);
            if (used & bit != 0) return (Reason.NullifierUsed, 0);
            used |= bit;
        } else if (claimKeyUsed[claimKey]) {
            return (Reason.NullifierUsed, 0);
        }
        if (_exists(id)) return (Reason.TokenTaken, 0);
    }

    // ---- payment

    /// Takes the price in the tier's currency from the caller or from who authorised it; `spent` is of the call's ether.
    function _charge(uint8 tier, uint256 price, uint256 funds, bytes32 leaf, Authorization memory auth)
        private
        returns (Reason, uint256 spent)
    {
        address currency = _currencies[tier];
        if (currency == address(0)) {
            if (price > funds) return (Reason.Unpaid, 0);
            spent = price;
        } else if (!_collected(currency, price, leaf, auth)) {
            return (Reason.Unpaid, 0);
        }
        takings[tier] += price;
        return (Reason.None, spent);
    }

    function _collected(address currency, uint256 price, bytes32 leaf, Authorization memory auth)
        private
        returns (bool done)
    {
        _paying = true;
        // A call of its own, so that a token that moves another sum is undone and only this item is skipped.
        try this.collect(currency, msg.sender, price, leaf, auth) {
            done = true;
        } catch {}
        _paying = false;
    }

    /// @notice Only for this contract itself: pulls exactly the price, or reverts.
    function collect(address currency, address caller, uint256 price, bytes32 leaf, Authorization calldata auth)
        external
    {
        if (msg.sender != address(this)) revert NotSelf();
        uint256 held = SafeTransferLib.balanceOf(currency, address(this));
        if (auth.payer == address(0)) {
            SafeTransferLib.safeTransferFrom(currency, caller, address(this), price);
        } else {
            IERC3009(currency).receiveWithAuthorization(
                auth.payer, address(this), price, auth.validAfter, auth.validBefore, leaf, auth.v, auth.r, auth.s
            );
        }
        if (SafeTransferLib.balanceOf(currency, address(this)) != held + price) revert NotThePrice();
    }

    function _refund(uint256 amount) private {
        if (amount != 0) SafeTransferLib.safeTransferETH(msg.sender, amount);
    }

    /// @notice Pays each creator floor(takings x share / 10,000) less what was paid; the last one gets the rest, so that
    /// shares and payments agree to the wei. A creator who can't receive keeps the claim and blocks nobody.
    function withdraw(uint8 tier) external whileNotPaying {
        Split[] storage splits = _splits[tier];
        address currency = _currencies[tier];
        uint256 total = takings[tier];
        uint256 rest = total;
        uint256 last = splits.length - 1;
        for (uint256 i; i <= last; ++i) {
            uint256 share = i == last ? rest : total * splits[i].shareBps / BPS;
            rest -= share;
            _pay(tier, i, splits[i].to, share, currency);
        }
    }

    function _pay(uint8 tier, uint256 i, address to, uint256 share, address currency) private {
        uint256 paid = paidOut[tier][i];
        // A creator called below may have withdrawn again: then more is paid than this share knows of.
        if (share <= paid) return;
        paidOut[tier][i] = share;
        bool sent = _sent(currency, to, share - paid);
        if (!sent) paidOut[tier][i] = paid;
        emit Withdrawn(tier, to, share - paid, sent);
    }

    function _sent(address currency, address to, uint256 amount) private returns (bool) {
        if (currency == address(0)) {
            return SafeTransferLib.trySafeTransferETH(to, amount, SafeTransferLib.GAS_STIPEND_NO_GRIEF);
        }
        (bool done, bytes memory told) = currency.call(abi.encodeCall(IERC20.transfer, (to, amount)));
        // Some tokens say nothing; a token that isn't there says nothing either.
        return done && (told.length == 0 ? currency.code.length != 0 : abi.decode(told, (bool)));
    }

    // ---- metadata and royalty

    /// @notice Where the metadata is served; what it says is bound by the manifest's digest. ERC-4906 tells the markets.
    function setBaseUri(string calldata baseUri) external {
        if (msg.sender != owner) revert NotOwner();
        _baseUri = baseUri;
        emit BatchMetadataUpdate(0, type(uint256).max);
    }

    /// @notice ERC-2981.
    function royaltyInfo(uint256, uint256 salePrice) external view returns (address receiver, uint256 royaltyAmount) {
        return (royaltyTo, salePrice * royaltyBps / BPS);
    }

    /// @notice ERC-165, ERC-721 and its metadata, ERC-2981, ERC-4906.
    function supportsInterface(bytes4 id) public view override returns (bool) {
        return id == 0x2a55205a || id == 0x49064906 || super.supportsInterface(id);
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

    /// @notice Whether the holder's bit (the tier's slotBase + slot) was used.
    function nullifierUsed(address to, uint8 bit) external view returns (bool) {
        return bit < MAX_SLOTS && _getAux(to) >> bit & 1 == 1;
    }

    /// @notice A tier with its splits and its currency (zero: ether).
    function tierOf(uint8 tier) external view returns (Tier memory, Split[] memory, address) {
        return (_tiers[tier], _splits[tier], _currencies[tier]);
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Edgedrop", "1");
    }
}
