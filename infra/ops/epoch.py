"""A node that this machine brought up, and its epochs: what `rotate` and `fallback open` share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count

import httpx
import msgspec

from infra import epochs
from infra.epochs import Recorded
from infra.errors import BadUsage, NotVerified, Unreachable
from infra.ops.agreement import NodeSaid
from infra.ops.place import Place, grant_named, told
from infra.ops.served import ANSWER_S, MINT_PORT, not_served
from infra.ops.standing import Standing, standing
from infra.plan.epochs import Leased, next_leases, remainders, taken
from infra.plan.model import DropPlan, Geography, Lease, Node
from infra.stacks import Stack, holder
from node_image.hub.chain import Status
from node_image.protocol.eip712 import grant_id

AGAIN = "type the same again: it goes on where it stood"


@dataclass(frozen=True, slots=True)
class Known:
    """A node that this machine brought up, with where its chain and its stack are."""

    place: Place
    plan: DropPlan
    stack: Stack
    node: Node

    def grant_id(self, epoch: int) -> str:
        """Of this node."""
        return "0x" + grant_id(self.plan.drop, self.node.name, epoch).hex()

    @property
    def geography(self) -> Geography:
        """Where it stands."""
        return next(one for one in self.plan.geographies if one.name == self.node.geo)

    @property
    def holder(self) -> Stack:
        """The stack that it is in."""
        return holder(self.stack.name, self.node.geo, elastic=self.node.elastic)

    def older(self, epoch: int) -> tuple[Node, ...]:
        """The node in each epoch before this one."""
        return tuple(one for one in self.node.each() if one.epoch < epoch)

    def latest(self) -> Recorded | None:
        """What was recorded of it last."""
        return next(reversed(epochs.read(self.stack.name).get(self.node.name, ())), None)

    def next_epoch(self) -> int:
        """The first after its newest that the chain knows no grant of: another command may have opened one.

        Of an elastic spare that never had a lease it is its planned first one.
        """
        chain, contract = self.place.chain, self.place.contract
        newest = self.node.each()[-1]
        with told():
            return next(
                number
                for number in count(newest.epoch if newest.elastic and not newest.leases else newest.epoch + 1)
                if chain.grant_key(contract, self.grant_id(number)) is None
            )


def known_node(place: Place, name: str) -> Known:
    """BadUsage where this machine doesn't have the drop's stack, or the drop no such node."""
    if place.plan is None or place.stack is None:
        raise BadUsage("this machine did not bring the drop up", "do it where its stack's state is")
    grant_named(place, name, None)
    node = next((one for one in place.plan.nodes if one.name == name), None)
    if node is None:
        raise BadUsage(f"{name} is no node's name", f"its nodes are {', '.join(one.name for one in place.plan.nodes)}")
    return Known(place, place.plan, place.stack, node)


def free_leases(known: Known, closed: Node | None = None) -> tuple[Lease, ...]:
    """What the chain and the record leave for this node; of `closed` alone, where that is given."""
    chain, contract = known.place.chain, known.place.contract
    with told():
        on_chain = [Leased(*named, *held) for named, held in chain.leases(contract).items()]
        minted = chain.minted_token_ids(contract)
    held = taken(known.plan, (*on_chain, *_promised(known, {one.grant_id for one in on_chain})), _closing(known))
    only = remainders(closed.leases, on_chain, closed.grant_id) if closed else None
    return next_leases(known.plan, known.node, held, minted, only)


def _promised(known: Known, on_chain: Collection[str]) -> Iterator[Leased]:
    """What is on record and not on chain yet; another command may have written it after this one read the plan."""
    for node, told_of in epochs.leases(known.stack.name).items():
        for epoch, leases in told_of:
            grant = "0x" + grant_id(known.plan.drop, node, epoch).hex()
            if grant not in on_chain:
                yield from (Leased(grant, one.tier, one.start, one.quota) for one in leases)


def _closing(known: Known) -> set[str]:
    """Grants that are being closed for another node's next epoch: what they give back is promised."""
    return {
        "0x" + grant_id(known.plan.drop, node, one.closes).hex()
        for node, recorded in epochs.read(known.stack.name).items()
        for one in recorded
        if node != known.node.name and one.closes is not None and not one.leases
    }


def prove(known: Known, wanted: Recorded) -> Standing:
    """The chain has the grant open with these leases, and the node says that it sells with that very key."""
    grant = known.grant_id(wanted.epoch)
    now = standing(known.place, grant)
    if now.status is not Status.OPEN or [(one.start, one.quota) for one in now.leases] != [
        (one.start, one.quota) for one in wanted.leases
    ]:
        raise NotVerified(f"the chain has epoch {wanted.epoch} {now.status.name.lower()} with {now.data()}", AGAIN)
    try:
        answer = httpx.get(f"http://{known.node.address}:{MINT_PORT}/v1/status", timeout=ANSWER_S, trust_env=False)
        said = msgspec.json.decode(answer.raise_for_status().content, type=NodeSaid).of(grant)
    except (httpx.HTTPError, msgspec.DecodeError) as fault:
        raise Unreachable(f"{known.node.name} does not say that it sells: {fault!r}", AGAIN) from fault
    if said.grant_id != grant or said.key.lower() != (now.key or "").lower() or not said.ready:
        raise Unreachable(f"{known.node.name} says {said.reason or 'another key'} of epoch {wanted.epoch}", AGAIN)
    return now


def finish(known: Known, wanted: Recorded) -> None:
    """On record that it sells, once its front sends it buyers."""
    name = known.node.name
    if name in not_served(known.holder):
        raise Unreachable(f"{name} sells, and its front sends it nobody", AGAIN)
    epochs.put(known.stack.name, name, msgspec.structs.replace(wanted, done=True))


def given(now: Standing) -> tuple[Lease, ...]:
    """The leases as the chain has them."""
    return tuple(Lease(one.tier, one.start, one.quota, one.not_before, one.redeem_by) for one in now.leases)


def ranges(plan: DropPlan, leases: tuple[Lease, ...]) -> str:
    """In words, without what is empty."""
    held = (one for one in leases if one.quota)
    return ", ".join(f"{plan.tiers[one.tier].name} {one.start}-{one.start + one.quota - 1}" for one in held) or "none"
