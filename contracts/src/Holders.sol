// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "solady/src/utils/EIP712.sol";
import {Act, Holder, HolderSignature} from "./Types.sol";

/// @title The three holders, any one of whom freezes and any two of whom do the rest.
/// @notice Acts are EIP-712 structs with a nonce and a deadline. A nonce is used up for each holder who signed with it:
/// two pairs of three always share one, so no act passes twice, and no holder can use up another's.
abstract contract Holders is EIP712 {
    error BadHolders();
    error NotHolder();
    error Expired();
    error TooFewHolders();
    error NonceUsed(address holder);
    error BadSignature(address signer);

    uint256 internal constant TWO = 2;
    uint256 private constant CONTRACT = 1 << 160;
    /// Enough for a Safe of several owners, and no way to eat a caller's gas.
    uint256 private constant ERC1271_GAS = 150_000;
    bytes4 private constant ERC1271_MAGIC = 0x1626ba7e;
    /// Half the order of secp256k1: a higher s is refused (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    // The address, and above it the kind.
    uint256 private immutable _holder0;
    uint256 private immutable _holder1;
    uint256 private immutable _holder2;

    mapping(address holder => mapping(uint256 word => uint256)) private _nonces;

    constructor(Holder[3] memory holders) {
        if (
            holders[0].account == address(0) || holders[0].account >= holders[1].account
                || holders[1].account >= holders[2].account
        ) revert BadHolders();
        (_holder0, _holder1, _holder2) = (_packed(holders[0]), _packed(holders[1]), _packed(holders[2]));
    }

    function _packed(Holder memory holder) private pure returns (uint256) {
        return uint160(holder.account) | (holder.isContract ? CONTRACT : 0);
    }

    function _holder(uint256 index) private view returns (uint256) {
        if (index == 0) return _holder0;
        if (index == 1) return _holder1;
        if (index == 2) return _holder2;
        revert BadHolders();
    }

    /// @notice A holder by its number, 0 to 2.
    function holderOf(uint256 index) external view returns (Holder memory) {
        uint256 packed = _holder(index);
        return Holder(address(uint160(packed)), packed & CONTRACT != 0);
    }

    /// @notice Whether the holder used this nonce.
    function nonceUsed(address holder, uint256 nonce) external view returns (bool) {
        return _nonces[holder][nonce >> 8] >> (nonce & 255) & 1 == 1;
    }

    /// The caller is a holder; one that signs with ECDSA must have signed this very transaction, whatever code stands at
    /// its address (EIP-7702).
    function _onlyHolder() internal view {
        for (uint256 i; i < 3; ++i) {
            uint256 packed = _holder(i);
            if (address(uint160(packed)) != msg.sender) continue;
            // solhint-disable-next-line avoid-tx-origin
            if (packed & CONTRACT != 0 || tx.origin == msg.sender) return;
        }
        revert NotHolder();
    }

    /// Reverts unless `needed` different holders signed the act in time; uses up their nonces.
    function _authorize(bytes32 structHash, Act calldata act, uint256 needed) internal {
        if (block.timestamp > act.deadline) revert Expired();
        if (act.signatures.length < needed) revert TooFewHolders();
        bytes32 digest = _hashTypedData(structHash);
        uint256 next;
        for (uint256 i; i < act.signatures.length; ++i) {
            HolderSignature calldata given = act.signatures[i];
            if (given.holder < next) revert BadHolders(); // ascending: nobody counts twice
            next = uint256(given.holder) + 1;
            uint256 packed = _holder(given.holder);
            address account = address(uint160(packed));
            bool good = packed & CONTRACT != 0
                ? _approves(account, digest, given.signature)
                : _signer(digest, given.signature) == account;
            if (!good) revert BadSignature(account);
            _useNonce(account, act.nonce);
        }
    }

    function _useNonce(address holder, uint256 nonce) private {
        uint256 bit = 1 << (nonce & 255);
        uint256 used = _nonces[holder][nonce >> 8];
        if (used & bit != 0) revert NonceUsed(holder);
        _nonces[holder][nonce >> 8] = used | bit;
    }

    /// ERC-1271 with a static call, a cap on its gas, a whole word of answer and the exact magic value.
    function _approves(address account, bytes32 digest, bytes calldata signature) private view returns (bool good) {
        bytes memory asked = abi.encodeWithSelector(ERC1271_MAGIC, digest, signature);
        bytes32 magic = bytes32(ERC1271_MAGIC);
        assembly ("memory-safe") {
            mstore(0, 0)
            let done := staticcall(ERC1271_GAS, account, add(asked, 32), mload(asked), 0, 32)
            good := and(and(done, gt(returndatasize(), 31)), eq(mload(0), magic))
        }
    }

    /// Who signed: 65 bytes, low s; zero when nobody did, so compare it with an address that is not zero.
    function _signer(bytes32 digest, bytes calldata sig) internal pure returns (address) {
        if (sig.length != 65) return address(0);
        bytes32 r;
        bytes32 s;
        uint8 v;
        // Slices would check each bound again: 400 gas a batch.
        assembly ("memory-safe") {
            r := calldataload(sig.offset)
            s := calldataload(add(sig.offset, 32))
            v := byte(0, calldataload(add(sig.offset, 64)))
        }
        return uint256(s) > HALF_ORDER ? address(0) : ecrecover(digest, v, r, s);
    }
}
