"""Where the drop's contract will be before it exists (EIP-1014): its address follows from everything it is told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from infra.plan.model import ContractPlan, Tier
from infra.spec import DropSpec
from node_image.protocol import create2
from node_image.protocol.eip712 import keccak

ARTIFACT = Path(__file__).resolve().parents[2] / "contracts" / "build" / "EdgedropToken.json"


def plan_contract(
    spec: DropSpec, tiers: Sequence[Tier], *, owner: str, operator: str, manifest_digest: str
) -> ContractPlan:
    """The contract's roles and address; another manifest, tier or role is another contract."""
    told = {"name": spec.title, "symbol": spec.symbol, "owner": owner, "operator": operator}
    code = create2.constructor_init_code(
        artifact(), base_uri=base_uri(spec), manifest_digest=manifest_digest, tiers=tiers, **told
    )
    salt = create2.salt(spec.name, manifest_digest)
    return ContractPlan(
        **told,
        chain_id=spec.chain_id,
        salt="0x" + salt.hex(),
        address=create2.create2_address(salt, code),
        init_code_hash="0x" + keccak(code).hex(),
        manifest_digest=manifest_digest,
    )


def base_uri(spec: DropSpec) -> str:
    """Before a token's id in its tokenURI; every mint serves it."""
    return f"edgedrop://{spec.name}/metadata/"


@cache
def artifact() -> bytes:
    """The compiled contract as committed: who stands up a drop needs no compiler."""
    return ARTIFACT.read_bytes()
