// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "solady/src/tokens/ERC20.sol";

/// Contracts that the drop's contract meets in its tests, good ones and bad ones.

/// @notice An ERC-20 with ERC-3009. Its fee and its hook are what a bad one would have.
contract Coin is ERC20 {
    bytes32 private constant RECEIVE_TYPE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    mapping(address => mapping(bytes32 => bool)) public authorizationState;
    uint256 public fee;
    address public hookTo;
    bytes public hookData;
    bool public hookDone;

    function name() public pure override returns (string memory) {
        return "Coin";
    }

    function symbol() public pure override returns (string memory) {
        return "COIN";
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function setHook(address to, bytes calldata data) external {
        (hookTo, hookData, hookDone) = (to, data, false);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (hookTo != address(0)) (hookDone,) = hookTo.call(hookData);
        if (fee != 0) _burn(from, fee);
        return super.transferFrom(from, to, amount - fee);
    }

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
    ) external {
        require(msg.sender == to && !authorizationState[from][nonce]);
        require(block.timestamp > validAfter && block.timestamp < validBefore);
        bytes32 hashed = keccak256(abi.encode(RECEIVE_TYPE, from, to, value, validAfter, validBefore, nonce));
        require(from == ecrecover(keccak256(abi.encodePacked("\x19\x01", DOMAIN_SEPARATOR(), hashed)), v, r, s));
        authorizationState[from][nonce] = true;
        _transfer(from, to, value);
    }
}

/// @notice An ERC-1271 holder. The signature's first byte says how it answers for a digest that it approved.
contract Wallet {
    bytes32 public approved;
    uint256 public written;

    function approve(bytes32 digest) external {
        approved = digest;
    }

    function execute(address to, bytes calldata data) external {
        (bool done,) = to.call(data);
        require(done);
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external returns (bytes32) {
        require(digest == approved);
        uint8 how = uint8(signature[0]);
        if (how == 1) return bytes32(bytes4(0x1626ba7e)) | bytes32(uint256(1)); // not the exact word
        if (how == 2) for (;;) {} // no end
        if (how == 3) written = 1; // only a call that may write lets it
        if (how == 4) {
            assembly {
                mstore(0, shl(224, 0x1626ba7e))
                return(0, 4)
            }
        }
        return bytes4(0x1626ba7e);
    }
}

/// @notice A creator who takes no money, or all the gas.
contract Payee {
    uint256 public how;

    function set(uint256 how_) external {
        how = how_;
    }

    receive() external payable {
        if (how == 1) revert();
        if (how == 2) for (;;) {}
    }
}
