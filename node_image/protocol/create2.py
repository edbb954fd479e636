"""Where a contract will be before it exists (EIP-1014), and the init code that decides it. Pure: planning uses it.

- `salt(drop, manifest_digest) -> bytes`
- `constructor_init_code(artifact, *, name, symbol, base_uri, manifest_digest, owner, operator, tiers) -> bytes`
- `create2_address(salt, init_code) -> str`
- `plan_address(artifact, *, drop, ...the same...) -> str`: the three in one

`artifact` is contracts/build/EdgedropToken.json as bytes; `tiers` are `infra.plan.model.Tier` or
anything of that shape.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from eth_abi.abi import encode

from node_image.protocol.eip712 import keccak

# Arachnid's deterministic deployment proxy: calldata is salt | init code; the same address on every chain.
DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
CONSTRUCTOR = (
    "string",  # name
    "string",  # symbol
    "string",  # base URI
    "bytes32",  # manifest digest
    "address",  # owner
    "address",  # operator
    "(uint40,uint32,uint8,uint8,uint88,(address,uint16)[])[]",  # TierSpec[]
)


class SplitLike(Protocol):
    """One creator's part of a tier's takings."""

    @property
    def address(self) -> str:
        """Who is paid."""
        ...

    @property
    def share_bps(self) -> int:
        """Of 10,000."""
        ...


class TierLike(Protocol):
    """What the constructor is told of a tier."""

    @property
    def first_token(self) -> int:
        """Its lowest token id."""
        ...

    @property
    def supply(self) -> int:
        """How many token ids it has."""
        ...

    @property
    def wallet_cap(self) -> int:
        """How many one wallet may redeem."""
        ...

    @property
    def slot_base(self) -> int:
        """Its first bit among a holder's 224."""
        ...

    @property
    def price_wei(self) -> int:
        """For one token."""
        ...

    @property
    def splits(self) -> Sequence[SplitLike]:
        """Who gets the takings."""
        ...


def salt(drop: str, manifest_digest: str) -> bytes:
    """Another drop or another manifest is another contract."""
    return keccak(drop.encode() + _bytes(manifest_digest))


def constructor_init_code(
    artifact: bytes,
    *,
    name: str,
    symbol: str,
    base_uri: str,
    manifest_digest: str,
    owner: str,
    operator: str,
    tiers: Sequence[TierLike],
) -> bytes:
    """The compiled contract with its constructor's arguments behind it."""
    told = (name, symbol, base_uri, _bytes(manifest_digest), owner, operator, [_tier(tier) for tier in tiers])
    return _bytes(json.loads(artifact)["bytecode"]) + encode(CONSTRUCTOR, told)


def create2_address(salt: bytes, init_code: bytes) -> str:
    """EIP-1014: keccak(0xff | deployer | salt | keccak(init code)), the last 20 bytes, checksummed."""
    return checksummed(keccak(b"\xff" + _bytes(DEPLOYER) + salt + keccak(init_code))[-20:])


def plan_address(artifact: bytes, *, drop: str, manifest_digest: str, **told: Any) -> str:
    """Where the drop's contract will be."""
    code = constructor_init_code(artifact, manifest_digest=manifest_digest, **told)
    return create2_address(salt(drop, manifest_digest), code)


def checksummed(address: bytes) -> str:
    """An address as people write it (EIP-55)."""
    plain = address.hex()
    marks = keccak(plain.encode()).hex()
    return "0x" + "".join(letter.upper() if mark >= "8" else letter for letter, mark in zip(plain, marks, strict=False))


def _tier(tier: TierLike) -> tuple[int, int, int, int, int, list[tuple[str, int]]]:
    splits = [(split.address, split.share_bps) for split in tier.splits]
    return tier.first_token, tier.supply, tier.wallet_cap, tier.slot_base, tier.price_wei, splits


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
