"""Whether the ERC-20s of a drop are on its chain: a price that nobody can pay would stand there for ever."""

from __future__ import annotations

from collections.abc import Iterable

from infra.errors import FaultyFile
from infra.provision import onchain
from node_image.protocol.facts import CurrencyFacts, TierFacts


def check_currencies(rpc: str, tiers: Iterable[TierFacts]) -> None:
    """FaultyFile with all that are not what the drop file says; a chain that doesn't answer says nothing of them."""
    told = ((tier.tier, _fault(rpc, tier.currency)) for tier in tiers if tier.currency)
    faults = [f"tiers[{number}].currency: {says}" for number, says in told if says]
    if faults:
        raise FaultyFile(
            "\n  ".join(("the drop file names what is not on its chain", *faults)),
            "mend the drop file as said above; nothing was deployed",
        )


def _fault(rpc: str, coin: CurrencyFacts) -> str:
    """In a sentence; empty where there is none."""
    if onchain.has_code(rpc, coin.address) is False:
        return f"{coin.address} is no contract"
    said = onchain.decimals(rpc, coin.address)
    if said is None or said == coin.decimals:
        return ""
    return f"{coin.address} has {said} decimals, not {coin.decimals}: its price would be another one"
