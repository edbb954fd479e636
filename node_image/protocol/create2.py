"""Where a contract will be before it exists (EIP-1014), and the init code that decides it. Pure: planning uses it.

- `salt(drop, manifest_digest) -> bytes`
- `constructor_init_code(artifact, *, name, symbol, base_uri, manifest_digest, roles, tiers) -> bytes`
- `create2_address(salt, init_code) -> str`
- `plan_address(artifact, *, drop, ...the same...) -> str`: the three in one

`artifact` is contracts/build/EdgedropToken.json as bytes; `roles` and `tiers` are `infra.plan.model.Roles` and `Tier`
or anything of that shape.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from eth_abi.abi import encode

from node_image.protocol.acts import Holder
from node_image.protocol.address import checksummed as checksummed  # noqa: PLC0414  asked for here too
from node_image.protocol.eip712 import keccak
from node_image.protocol.hexes import unhex

# Arachnid's deterministic deployment proxy: calldata is salt | init code; the same address on every chain.
DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
CONSTRUCTOR = (
    "string",  # name
    "string",  # symbol
    "string",  # base URI
    "bytes32",  # manifest digest
    "(address,address,address,(address,bool)[3],address,uint16)",  # Roles
    "(uint40,uint32,uint8,uint8,uint88,uint32,uint32,address,(address,uint16)[])[]",  # TierSpec[]
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
    def max_lease(self) -> int:
        """What the operator alone may put into one lease."""
        ...

    @property
    def operator_cap(self) -> int:
        """What the operator alone may have in leases at a time."""
        ...

    @property
    def currency(self) -> str:
        """An ERC-20, or the zero address for ether."""
        ...

    @property
    def splits(self) -> Sequence[SplitLike]:
        """Who gets the takings."""
        ...


class RolesLike(Protocol):
    """Who may do what."""

    @property
    def owner(self) -> str:
        """Moves the metadata."""
        ...

    @property
    def operator(self) -> str:
        """Opens leases."""
        ...

    @property
    def hub(self) -> str:
        """Anchors checkpoints and agrees to close-outs."""
        ...

    @property
    def holders(self) -> Sequence[Holder]:
        """Three, ascending."""
        ...

    @property
    def royalty_to(self) -> str:
        """Who gets the royalty of later sales."""
        ...

    @property
    def royalty_bps(self) -> int:
        """Of 10,000."""
        ...


def salt(drop: str, manifest_digest: str) -> bytes:
    """Another drop or another manifest is another contract."""
    return keccak(drop.encode() + unhex(manifest_digest))


def constructor_init_code(
    artifact: bytes,
    *,
    name: str,
    symbol: str,
    base_uri: str,
    manifest_digest: str,
    roles: RolesLike,
    tiers: Sequence[TierLike],
) -> bytes:
    """The compiled contract with its constructor's arguments behind it."""
    told = (name, symbol, base_uri, unhex(manifest_digest), _roles(roles), [_tier(tier) for tier in tiers])
    return unhex(json.loads(artifact)["bytecode"]) + encode(CONSTRUCTOR, told)


def create2_address(salt: bytes, init_code: bytes) -> str:
    """EIP-1014: keccak(0xff | deployer | salt | keccak(init code)), the last 20 bytes, checksummed."""
    return checksummed(keccak(b"\xff" + unhex(DEPLOYER) + salt + keccak(init_code))[-20:])


def plan_address(artifact: bytes, *, drop: str, manifest_digest: str, **told: Any) -> str:
    """Where the drop's contract will be."""
    code = constructor_init_code(artifact, manifest_digest=manifest_digest, **told)
    return create2_address(salt(drop, manifest_digest), code)


def _roles(roles: RolesLike) -> tuple[Any, ...]:
    holders = [(holder.address, holder.kind == "erc1271") for holder in roles.holders]
    return roles.owner, roles.operator, roles.hub, holders, roles.royalty_to, roles.royalty_bps


def _tier(tier: TierLike) -> tuple[Any, ...]:
    splits = [(split.address, split.share_bps) for split in tier.splits]
    limits = (tier.max_lease, tier.operator_cap, tier.currency)
    return tier.first_token, tier.supply, tier.wallet_cap, tier.slot_base, tier.price_wei, *limits, splits
