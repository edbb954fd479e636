"""A lease key is stolen: what the chain still takes of it, on a real chain, with the hub's own services.

The test runs it with a few vouchers, `python -m tests.chaos stolen_key` with a thousand of each kind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from node_image.hub.chain import Chain, Status
from node_image.hub.redemption import Reason
from node_image.protocol import collected, create2
from node_image.protocol.acts import Act, AddRoots
from node_image.protocol.collected import Collected
from node_image.protocol.lease import Lease
from tests.e2e.contract_world import HOLDERS, HUB, OPERATOR, RELAYER, Split, Tier, account, anvil, init_code, own_roles
from tests.e2e.hub_world import Hub, hub, wait_for
from tests.e2e.journal_node import FOREVER, ISSUED_AT, Node

CALL = 50
SHARES = (Split("0x" + "0c" * 20, 10_000),)
DROP = "stolen"
LATE = 4_000_000_000


@dataclass(frozen=True)
class Stage:
    """The hub, the chain and the drop's contract there."""

    hub: Hub
    chain: Chain
    contract: str

    def node(self, name: str, start: int, quota: int) -> Node:
        """A node whose grant is open on chain and announced."""
        lease = Lease(0, start, quota, 0, FOREVER)
        made = Node(DROP, name, self.contract, lease, PrivateKey(os.urandom(32)))
        opened = [{field: getattr(lease, field) for field in lease.__struct_fields__}]
        self.chain.open_grant(OPERATOR, self.contract, made.grant, "0x" + made.address.hex(), opened)
        self.hub.publish(*made.announce(self.hub.owner), *made.ship())
        self.arrived(made)
        return made

    def arrived(self, node: Node) -> None:
        """Until the ledger holds what the node has."""

        def there() -> bool:
            told = self.hub.get(f"/v1/drops/{DROP}")
            found = told.json()["grants"] if told.is_success else []
            return any(one["grant_id"] == node.grant and one["journal_seq"] == len(node.frames) for one in found)

        wait_for(there, 60, f"the journal of {node.name}")

    def anchored(self, node: Node, number: int) -> None:
        """Until the batch is anchored."""
        wait_for(lambda: self.hub.get(f"/v1/anchors/{node.grant}/{number}").is_success, 60, f"the anchor of {number}")

    def counts(self, node: Node) -> dict[str, int]:
        """The ledger's, of this node."""
        found = self.hub.get(f"/v1/drops/{DROP}").json()["grants"]
        return next(one for one in found if one["grant_id"] == node.grant)

    def minted(self, node: Node) -> int:
        """How many tokens of the node's lease are on chain."""
        ids = range(node.lease.start, node.lease.start + node.lease.quota)
        return sum(token in ids for token in self.chain.minted_token_ids(self.contract))

    def submit(self, vouchers: Sequence[Mapping[str, Any]]) -> tuple[int, set[Reason]]:
        """By anyone, straight to the chain: how many redeemed, and why the others did not."""
        redeemed, reasons = 0, set()
        for part in batched(vouchers, CALL, strict=False):
            outcome = self.chain.redeem_many(OPERATOR, self.contract, part)
            redeemed += len(outcome.redeemed)
            reasons |= {skip.reason for skip in outcome.skipped}
        return redeemed, reasons

    def supplement(self, node: Node) -> None:
        """As the holders do it: what the ledger says is recovered, signed by two of them."""
        told = self.hub.get(f"/v1/supplement/{node.grant}").json()
        self.two_of_three(AddRoots(node.grant, tuple(told["roots"]), tuple(told["high_seqs"]), nonce(), LATE))

    def two_of_three(self, act: Act) -> None:
        """An act that goes from holder to holder and then to the chain."""
        signed, holders = Collected(1, 31337, self.contract, act), self.chain.holders(self.contract)
        for key in HOLDERS[1:]:
            signed = collected.sign(collected.load(collected.dump(signed)), key, holders)
        self.chain.submit(RELAYER, self.contract, signed)


def nonce() -> str:
    """One that nobody used."""
    return str(time.time_ns())


@contextmanager
def stage(folder: Path, supply: int) -> Iterator[Stage]:
    """The drop's contract on a chain of its own, ledger and anchorer up; the relayer is not started yet."""
    with anvil() as url, hub(folder, url) as made:
        chain = Chain(url, answer_s=60, stuck_s=30)  # a machine that does much else is no fault of the chain
        for key in (OPERATOR, RELAYER, HUB, *HOLDERS):
            chain.fund(account(key))
        tiers = (Tier(1, supply, 2, 0, 0, SHARES, supply, supply),)
        code = init_code(own_roles(), tiers=tiers)
        contract = chain.deploy(OPERATOR, create2.salt(DROP, "0x" + "33" * 32), code)
        made.keys.update(relayer=RELAYER, hub=HUB)
        made.settings["EDGEDROP_ANCHOR_EVERY_S"] = "0.5"
        made.start("ledger", "anchorer")
        yield Stage(made, chain, contract)


@dataclass(frozen=True)
class Seen:
    """How many redeemed, of `asked` each; what was tried more than once is added up."""

    asked: int
    anchored: int
    unanchored_before: int
    unanchored_after: int
    forged: int
    reasons: frozenset[Reason]


def exercise(on: Stage, count: int) -> Seen:
    """The theft. `count` vouchers are honest and anchored, as many honest and not, as many forged."""
    node = on.node("quay-appliance1", 1, 4 * count)
    anchored = sell(node, count)
    on.hub.publish(*node.ship())
    on.anchored(node, anchored[-1])
    on.hub.kill("anchorer")
    thief, late = node.clone(), sell(node, count)
    on.hub.publish(*node.ship())
    on.arrived(node)
    forged = forge(on, thief, count)
    on.chain.freeze(HOLDERS[0], on.contract, node.grant)

    on.hub.start("anchorer", "relayer")
    wait_for(lambda: on.counts(node)["redeemed"] >= count, 120, "the honest anchored vouchers")
    wait_for(lambda: on.counts(node)["pending"] == count, 60, "the others, which wait")
    first = on.minted(node)
    honest = [voucher for number in late for voucher in node.vouchers(number)]
    before, reasons = on.submit(honest)
    false, whys = on.submit(forged)

    wait_for(lambda: covers(on, node, late[-1]), 30, "checkpoints over what was recovered")
    on.supplement(node)
    wait_for(lambda: on.counts(node)["redeemed"] >= 2 * count, 120, "the vouchers of the supplement")
    again, more = on.submit(forged)
    after = on.minted(node) - first
    return Seen(count, first, before, after, false + again, frozenset(reasons | whys | more))


def covers(on: Stage, node: Node, number: int) -> bool:
    """Whether a supplement would take this batch in."""
    told = on.hub.get(f"/v1/supplement/{node.grant}").json()["covers"]
    return bool(told) and told[-1]["last_batch"] >= number


def sell(node: Node, count: int, buyer: int = 0, issued_at: int = ISSUED_AT) -> list[int]:
    """In batches of up to 16; their numbers."""
    return [node.sell(len(part), buyer, issued_at=issued_at) for part in batched(range(count), 16, strict=False)]


def forge(on: Stage, thief: Node, count: int) -> list[dict[str, Any]]:
    """By turns: fresh; backdated to before the first honest batch; with the checkpoint of an honest batch beside it."""
    stolen = on.hub.get(f"/v1/anchors/{thief.grant}/0").json()
    found: list[dict[str, Any]] = []
    for turn, number in enumerate(range(0, count, 4)):
        issued_at = (LATE, 1, ISSUED_AT)[turn % 3]
        thief.state.issued_at = 0  # a thief's signer keeps no rule of time
        (batch,) = sell(thief, min(4, count - number), 1_000_000, issued_at)
        extra = {"checkpoint": {"root": stolen["root"], "proof": stolen["proof"]}} if turn % 3 == 2 else {}
        found += [voucher | extra for voucher in thief.vouchers(batch)]
    return found


def twice(on: Stage, name: str, start: int) -> float:
    """A cloned key signs one batchSeq twice: seconds from the second batch on the bus until the chain has it frozen."""
    node = on.node(name, start, 10)
    clone = node.clone()
    node.sell(2)
    on.hub.publish(*node.ship())
    on.arrived(node)
    clone.sell(2, buyer=5_000)
    on.hub.publish(*clone.ship())
    return wait_for(lambda: on.chain.status(on.contract, node.grant) is Status.FROZEN, 30, "the freeze", every=0.02)
