"""Where the drop's contract will be before it exists (EIP-1014): its address follows from everything it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.plan.model import ContractPlan, Tier
from infra.spec import DropSpec
from node_image.protocol import create2
from node_image.protocol.eip712 import keccak

ARTIFACT = Path(__file__).resolve().parents[2] / "contracts" / "build" / "EdgedropToken.json"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything the constructor is told, and the salt: the contract's address follows from it."""

    salt: str  # 0x, 32 bytes
    name: str
    symbol: str
    base_uri: str
    manifest_digest: str
    owner: str
    operator: str
    tiers: tuple[Tier, ...]

    def init_code(self) -> bytes:
        """The compiled contract with its constructor's arguments."""
        return create2.constructor_init_code(
            artifact(),
            name=self.name,
            symbol=self.symbol,
            base_uri=self.base_uri,
            manifest_digest=self.manifest_digest,
            owner=self.owner,
            operator=self.operator,
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
        owner=plan.owner,
        operator=plan.operator,
        tiers=tuple(tiers),
    )


def plan_contract(
    spec: DropSpec, tiers: Sequence[Tier], *, owner: str, operator: str, manifest_digest: str
) -> ContractPlan:
    """The contract's roles and address; another manifest, tier or role is another contract."""
    told = {"name": spec.title, "symbol": spec.symbol, "owner": owner, "operator": operator}
    salt = create2.salt(spec.name, manifest_digest)
    deployment = Deployment(
        "0x" + salt.hex(), base_uri=base_uri(spec.name), manifest_digest=manifest_digest, tiers=tuple(tiers), **told
    )
    code = deployment.init_code()
    return ContractPlan(
        **told,
        chain_id=spec.chain_id,
        salt=deployment.salt,
        address=create2.create2_address(salt, code),
        init_code_hash="0x" + keccak(code).hex(),
        manifest_digest=manifest_digest,
    )


def base_uri(drop: str) -> str:
    """Before a token's id in its tokenURI; every mint serves it."""
    return f"edgedrop://{drop}/metadata/"


@cache
def artifact() -> bytes:
    """The compiled contract as committed: who stands up a drop needs no compiler."""
    return ARTIFACT.read_bytes()
