"""Whether the ERC-20s of a drop are on its chain: a price that nobody can pay would stand there for ever."""

from __future__ import annotations

from collections.abc import Iterable

from infra.errors import NotVerified
from infra.provision import onchain
from node_image.protocol.facts import TierFacts

HINT = "put the right currency into the drop file; nothing was deployed"


def check_currencies(rpc: str, tiers: Iterable[TierFacts]) -> None:
    """NotVerified at the first that is not what the drop file says; a chain that doesn't answer says nothing of it."""
    for tier in tiers:
        coin = tier.currency
        if coin is None:
            continue
        place = f"tiers[{tier.tier}].currency: {coin.address}"
        if onchain.has_code(rpc, coin.address) is False:
            raise NotVerified(f"{place} is no contract on the drop's chain", HINT)
        said = onchain.decimals(rpc, coin.address)
        if said is not None and said != coin.decimals:
            raise NotVerified(f"{place} has {said} decimals, not {coin.decimals}: its price would be another one", HINT)
