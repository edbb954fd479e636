"""Where the drop's contract will be before it exists (EIP-1014): its address follows from everything it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.plan.model import ZERO_ADDRESS, Accounts, ContractPlan, Roles, Tier
from infra.spec import DropSpec
from node_image.protocol import create2
from node_image.protocol.acts import Holder
from node_image.protocol.eip712 import keccak

BPS_PER_PERCENT = 100
ARTIFACT = Path(__file__).resolve().parents[2] / "contracts" / "build" / "EdgedropToken.json"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything the constructor is told, and the salt: the contract's address follows from it."""

    salt: str  # 0x, 32 bytes
    name: str
    symbol: str
    base_uri: str
    manifest_digest: str
    roles: Roles
    tiers: tuple[Tier, ...]

    def init_code(self) -> bytes:
        """The compiled contract with its constructor's arguments."""
        return create2.constructor_init_code(
            artifact(),
            name=self.name,
            symbol=self.symbol,
            base_uri=self.base_uri,
            manifest_digest=self.manifest_digest,
            roles=self.roles,
            tiers=self.tiers,
        )


def deployment_of(name: str, plan: ContractPlan, tiers: Sequence[Tier]) -> Deployment:
    """The deployment behind a plan's contract."""
    return Deployment(
        salt=plan.salt,
        name=plan.name,
        symbol=plan.symbol,
        base_uri=base_uri(name),
        manifest_digest=plan.manifest_digest,
        roles=plan.roles,
        tiers=tuple(tiers),
    )


def plan_contract(spec: DropSpec, tiers: Sequence[Tier], *, accounts: Accounts, manifest_digest: str) -> ContractPlan:
    """The contract's roles and address; another manifest, tier or role is another contract."""
    salt = create2.salt(spec.name, manifest_digest)
    deployment = Deployment(
        salt="0x" + salt.hex(),
        name=spec.title,
        symbol=spec.symbol,
        base_uri=base_uri(spec.name),
        manifest_digest=manifest_digest,
        roles=roles_of(spec, accounts),
        tiers=tuple(tiers),
    )
    code = deployment.init_code()
    return ContractPlan(
        name=deployment.name,
        symbol=deployment.symbol,
        roles=deployment.roles,
        chain_id=spec.chain_id,
        salt=deployment.salt,
        address=create2.create2_address(salt, code),
        init_code_hash="0x" + keccak(code).hex(),
        manifest_digest=manifest_digest,
    )


def roles_of(spec: DropSpec, accounts: Accounts) -> Roles:
    """The drop file's holders, or the control side's own where it names none; ascending, as the contract wants them."""
    named = [Holder(one.address, one.kind) for one in spec.holders] or [Holder(one) for one in accounts.holders]
    return Roles(
        owner=accounts.owner,
        operator=accounts.operator,
        hub=accounts.hub,
        holders=tuple(sorted(named, key=lambda holder: int(holder.address, 16))),
        royalty_to=spec.royalty.address if spec.royalty else ZERO_ADDRESS,
        royalty_bps=spec.royalty.share_percent * BPS_PER_PERCENT if spec.royalty else 0,
    )


def base_uri(drop: str) -> str:
    """Before a token's id in its tokenURI; every mint serves it."""
    return f"edgedrop://{drop}/metadata/"


@cache
def artifact() -> bytes:
    """The compiled contract as committed: who stands up a drop needs no compiler."""
    return ARTIFACT.read_bytes()
