"""Where a drop's contract is and how its chain is reached; what could not be looked at is told, not guessed.

By default the plan says both. Where the drop file, the state folder or the lab is away, --rpc and --contract do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from infra import stacks
from infra.errors import BadUsage, EdgedropError, NotVerified, Unreachable
from infra.ops.drops import drop_named, plan_of
from infra.ops.output import say
from infra.plan import plan_lab
from infra.plan.model import CloudGrant, DropPlan, HubAddresses, Node
from infra.stacks import Stack
from node_image.hub.chain import Chain, ChainAway, ChainRefused
from node_image.protocol.eip712 import grant_id
from node_image.protocol.errors import ProtocolError

ANSWER_S = 2.0
LEDGER_PORT = 8080
ADDRESS = "0x[0-9a-fA-F]{40}"
GRANT = "0x[0-9a-fA-F]{64}"
FIRST_EPOCH = 1


@dataclass(frozen=True, slots=True)
class Place:
    """A drop's contract on its chain; `plan`, `hub` and `stack` are None where this machine doesn't know the drop."""

    chain: Chain
    chain_id: int
    contract: str
    drop: str
    stack: Stack | None = None
    plan: DropPlan | None = None
    hub: HubAddresses | None = None

    @property
    def trail(self) -> str:
        """What the audit trail calls it."""
        return self.stack.name if self.stack else self.drop or self.contract

    def node(self, name: str, epoch: int | None = None) -> Node | None:
        """As planned, in its newest epoch or the one that is named."""
        return next((one for one in reversed(self.epochs(name)) if epoch in (None, one.epoch)), None)

    def epochs(self, name: str) -> tuple[Node, ...]:
        """The node in each of its epochs, oldest first."""
        nodes = (*self.plan.nodes, *self.plan.stood) if self.plan else ()
        return tuple(one for node in nodes if node.name == name for one in node.each())

    def holder(self, name: str, epoch: int | None = None) -> Node | CloudGrant | None:
        """As `node`, or the cloud signer's grant for one, which has a name of its own."""
        cloud = self.plan.cloud if self.plan else ()
        return self.node(name, epoch) or next(
            (one for one in cloud if one.name == name and epoch in (None, one.epoch)), None
        )


@contextmanager
def told() -> Iterator[None]:
    """What the chain or a signature does not bear out, as a person is told it."""
    try:
        yield
    except ChainAway as fault:
        raise Unreachable(f"the chain: {fault}", "give the --rpc of a node that answers") from fault
    except ChainRefused as fault:
        raise EdgedropError(str(fault), "nothing was changed; `edgedrop act show` says how an act stands") from fault
    except ProtocolError as fault:
        raise NotVerified(str(fault), "sign nothing and submit nothing before you know why") from fault


def find_place(drop: str | None, rpc: str | None, contract: str | None) -> Place:
    """The place that is meant; a contract must stand there."""
    stack = _stack(drop, alone=bool(rpc and contract))
    if contract is not None and not re.fullmatch(ADDRESS, contract):
        raise BadUsage(f"--contract {contract} is no address", "it is 0x and 40 hex digits")
    if stack is None and (rpc is None or contract is None):
        raise BadUsage(
            f"this machine knows no drop {drop or ''}".rstrip(), "give --rpc <a node of its chain> and --contract"
        )
    plan = plan_of(stack) if stack and contract is None else None
    hub = plan_lab(stacks.load(stack.lab).slot) if stack else None
    chain = Chain(rpc or (hub.chain_url if hub else ""))
    at = contract or (plan.contract.address if plan else "")
    with told():
        chain_id = chain.chain_id()
        there = chain.has_code(at)
    if plan and chain_id != plan.contract.chain_id:
        raise BadUsage(
            f"this node is of chain {chain_id}, the drop is on {plan.contract.chain_id}", "give another --rpc"
        )
    if not there:
        raise NotVerified(
            f"no contract stands at {at} on chain {chain_id}",
            "if the drop's files or keys were changed since, give the drop's own --contract",
        )
    return Place(chain, chain_id, at, stack.drop if stack else drop or "", stack, plan, hub)


def _stack(drop: str | None, *, alone: bool) -> Stack | None:
    """The drop's stack, None where this machine doesn't know it; `alone`: what else is given is enough."""
    if drop is not None:
        found = stacks.find(drop)
        return stacks.find(found.drop_stack) if found and found.kind == "geography" else found
    return None if alone or not stacks.drops() else drop_named(None)


def grant_named(place: Place, node: str, epoch: int | None) -> str:
    """The grant id: of the node's newest epoch as planned, of (drop, node, epoch), or as it was given."""
    if re.fullmatch(GRANT, node):
        return node.lower()
    planned = place.holder(node, epoch)
    if planned:
        each = [str(one.epoch) for one in place.epochs(node)]
        if epoch is None and len(each) > 1:
            say(f"{node} has epochs {', '.join(each)}; this is its newest, --epoch names another")
        return planned.grant_id
    if place.plan and epoch is None:
        names = ", ".join(one.name for one in place.plan.nodes)
        raise BadUsage(f"{place.drop} has no node {node}", f"its nodes are {names}; of another grant name the --epoch")
    if not place.drop:
        raise BadUsage(f"nobody here knows the grant of {node}", "give --drop <its name>, or the grant id for the node")
    return "0x" + grant_id(place.drop, node, FIRST_EPOCH if epoch is None else epoch).hex()


def ask_ledger(place: Place, path: str) -> tuple[dict[str, Any] | None, str]:
    """What the ledger answers, or why there is no answer."""
    if place.hub is None:
        return None, "the ledger (no lab is known here)"
    try:
        # trust_env: a proxy of this machine knows nothing of the lab's addresses.
        answer = httpx.get(f"http://{place.hub.ledger}:{LEDGER_PORT}{path}", timeout=ANSWER_S, trust_env=False)
        found = answer.raise_for_status().json()
    except httpx.HTTPStatusError as fault:
        return None, f"the ledger (it answers {fault.response.status_code})"
    except (httpx.HTTPError, ValueError) as fault:
        return None, f"the ledger ({type(fault).__name__})"
    return (found, "") if isinstance(found, dict) else (None, "the ledger (it answers something else)")
