"""What an act comes to on chain: read back, whoever did it. Nothing here changes anything."""

from __future__ import annotations

from typing import Any

from node_image.hub.chain import Chain, ChainRefused, Status
from node_image.protocol.acts import Act, AddRoots, Freeze, MintLost, OpenGrant, Reclaim, Revoke, Unfreeze

WANTED = {
    Freeze: {Status.FROZEN, Status.REVOKED},
    Revoke: {Status.REVOKED},
    Unfreeze: {Status.OPEN, Status.CLOSED},
}


def done(chain: Chain, contract: str, act: Act) -> bool:
    """Whether the chain stands as the act wants it."""
    grant = act.grant_id
    match act:
        case Freeze() | Revoke() | Unfreeze():
            return chain.status(contract, grant) in WANTED[type(act)]
        case AddRoots():
            return _added(chain, contract, act)
        case OpenGrant():
            return (chain.grant_key(contract, grant) or "").lower() == act.key.lower()
        case Reclaim():
            return chain.lease_of(contract, grant, act.tier)["quota"] <= act.from_seq
        case MintLost():
            return all(holder is not None for holder in _holders(chain, contract, act).values())


def proof(chain: Chain, contract: str, act: Act) -> dict[str, Any]:
    """What was read back, for people and machines."""
    grant = act.grant_id
    found: dict[str, Any] = {"status": chain.status(contract, grant).name.lower()}
    match act:
        case AddRoots():
            found["roots"] = {root: chain.issued_root(contract, grant, bytes.fromhex(root[2:])) for root in act.roots}
            found["covered"] = [chain.covered(contract, grant, tier) for tier in range(len(act.high_seqs))]
        case OpenGrant():
            found["key"] = chain.grant_key(contract, grant)
            found["leases"] = [{"tier": one.tier, **chain.lease_of(contract, grant, one.tier)} for one in act.leases]
        case Reclaim():
            found["quota"] = chain.lease_of(contract, grant, act.tier)["quota"]
        case MintLost():
            found["tokens"] = {str(token): holder for token, holder in _holders(chain, contract, act).items()}
        case Freeze() | Revoke() | Unfreeze():
            pass
    return found


def _added(chain: Chain, contract: str, act: AddRoots) -> bool:
    roots = all(chain.issued_root(contract, act.grant_id, bytes.fromhex(root[2:])) for root in act.roots)
    highs = enumerate(act.high_seqs)
    return roots and all(chain.covered(contract, act.grant_id, tier) >= high for tier, high in highs)


def _holders(chain: Chain, contract: str, act: MintLost) -> dict[int, str | None]:
    start = chain.lease_of(contract, act.grant_id, act.tier)["start"]
    found: dict[int, str | None] = {}
    for seq in act.seqs:
        try:
            found[start + seq] = chain.owner_of(contract, start + seq)
        except ChainRefused:
            found[start + seq] = None
    return found
