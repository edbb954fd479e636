"""Asks nodes, ledger and chain how they are, all at once: who is silent costs two seconds and is an answer too."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec

from infra.ops.agreement import LedgerSaid, NodeSaid, Seen
from infra.plan.model import DropPlan, HubAddresses, Node
from infra.provision import cloud
from node_image.hub.chain import Chain, ChainFault
from node_image.signer.client import SignerAway, SignerRefused

ANSWER_S = 2.0
WORKERS = 32
MINT_PORT = 8080
LEDGER, CHAIN = "the ledger", "the chain"


def collect(plan: DropPlan, hub: HubAddresses, elastic: Collection[Node] = ()) -> Seen:
    """One round of questions; nobody is asked twice. `elastic` are the elastic spares that are up."""
    silent: dict[str, str] = {}

    def asked[T](place: str, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except (httpx.HTTPError, msgspec.MsgspecError, ChainFault, SignerAway, SignerRefused) as fault:
            silent[place] = _why(fault)
            return None

    # trust_env: a proxy of this machine knows nothing of the lab's addresses.
    with ThreadPoolExecutor(WORKERS) as pool, httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
        chain = pool.submit(asked, CHAIN, lambda: (_minted(hub, plan.contract.address), _takings(hub, plan)))
        ledger = pool.submit(asked, LEDGER, lambda: _ledger(client, hub, plan.drop))
        nodes = [
            (node.name, pool.submit(asked, node.name, lambda at=node.address: _node(client, at)))
            for node in (*plan.nodes, *elastic)
        ]
        nodes += [
            (one.name, pool.submit(asked, one.name, lambda node=one.node: _cloud(hub, plan.drop, node)))
            for one in plan.cloud
        ]
        said = {name: answer.result() for name, answer in nodes}
        minted, takings = chain.result() or (None, {})
        return Seen(nodes=said, ledger=ledger.result(), chain=minted, takings=takings, silent=silent)


def _node(client: httpx.Client, address: str) -> NodeSaid:
    answer = client.get(f"http://{_host(address)}:{MINT_PORT}/v1/status").raise_for_status()
    return msgspec.json.decode(answer.content, type=NodeSaid)


def _cloud(hub: HubAddresses, drop: str, node: str) -> NodeSaid:
    """What the cloud signer says of the grant that it holds for the node."""
    return msgspec.convert(cloud.status(hub.cloud_signer_place, drop, node), NodeSaid, strict=False)


def _ledger(client: httpx.Client, hub: HubAddresses, drop: str) -> LedgerSaid:
    answer = client.get(f"{hub.ledger_url}/v1/drops/{drop}").raise_for_status()
    # Token ids are decimal strings there: numbers past 2^53 must survive JSON.
    return msgspec.json.decode(answer.content, type=LedgerSaid, strict=False)


def _minted(hub: HubAddresses, contract: str) -> dict[int, str]:
    chain = Chain(hub.chain_url, answer_s=ANSWER_S)
    return {event.token_id: event.grant_id for event in chain.redemptions(contract)}


def _takings(hub: HubAddresses, plan: DropPlan) -> dict[int, int]:
    """By tier that has a price, in its currency's smallest unit."""
    chain = Chain(hub.chain_url, answer_s=ANSWER_S)
    return {tier.tier: chain.takings(plan.contract.address, tier.tier) for tier in plan.tiers if tier.price_wei}


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _why(fault: Exception) -> str:
    if isinstance(fault, httpx.HTTPStatusError):
        return f"HTTP {fault.response.status_code}"
    if isinstance(fault, httpx.TimeoutException):
        return f"no answer in {ANSWER_S:.0f} s"
    return str(fault) or type(fault).__name__
