"""One geography on a chain of its own, in which one appliance after the other goes away and comes back."""

from __future__ import annotations

import asyncio
import random
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import batched
from pathlib import Path
from typing import Any

import msgspec

from node_image.hub.redemption import MAX_ITEMS
from node_image.protocol import journal
from node_image.signer.client import SignerClient
from tests.a_witness import Witness
from tests.bench.failover_load import Seen, Wish, sell
from tests.bench.failover_node import HTTP, START_S, Node
from tests.bench.failover_world import World, front, wishes, world
from tests.chaos.fencing_book import Book, Given, Grant
from tests.chaos.planted_fencing import NO_BUG, Bug
from tests.chaos.signer_process import copy_of
from tests.drop_on_disk import FAR
from tests.e2e import contract_world
from tests.e2e.contract_world import CREATORS, RELAYER, Split, Tier, anvil
from tests.e2e.standing import sweep, wait_for

DROP = "lights"
SUPPLY, SPARES, QUOTA = 1_000_000, 50_000, 4_000
TIER = Tier(1, SUPPLY, 200, 0, 0, (Split(CREATORS[0], 10_000),), SPARES, SUPPLY)
MONTH_S = 30 * 86_400
STRUCK_S, PER_SECOND = 0.15, 100


@dataclass
class Place:
    """An appliance, a spare, their front, their chain, and the book of all that was given and taken."""

    folder: Path
    there: World
    stack: ExitStack
    random: random.Random
    bug: Bug
    book: Book = field(default_factory=Book)
    port: int = 0
    node: Node = field(init=False)
    spare: Node = field(init=False)
    shipped: Witness = field(init=False)  # what the hub has seen of the appliance's journal
    _nodes: int = 0
    _buyers: int = 0
    _next: int = 1 + SPARES

    @property
    def acts(self) -> contract_world.World:
        """What holders and hub do."""
        return contract_world.World(self.there.chain, self.there.contract)

    @property
    def grant(self) -> str:
        """The appliance's."""
        return self.node.drop.facts.grant_id

    def open(self) -> None:
        """The first appliance, the spare and the front."""
        self.spare = self._up(self.there.node(self.folder, DROP, "quay-spare1", 1), SPARES, FAR)
        self.renew()
        self.port = front(self.folder, self.folder.name, (self.node, self.spare))

    def renew(self, freed: range | None = None) -> None:
        """Another appliance at the old one's place, with a lease of its own: of what was freed, or a fresh one."""
        tokens = freed or range(self._next, self._next + QUOTA)
        if freed is None:
            self._next = tokens.stop
        if self.bug.overlaps:
            tokens = range(1, 1 + QUOTA)
        self._nodes += 1
        made = self.there.node(self.folder, DROP, f"quay-appliance{self._nodes}", tokens.start)
        if self._nodes > 1:
            self.node.halt()
            relay = {"relay": self.node.running["relay"]}
            made = replace(made, port=self.node.port, relay_port=self.node.relay_port, running=relay)
        self.node = self._up(made, len(tokens), self.there.chain.block()[1] + MONTH_S)
        if self._nodes == 1:
            self.node.cable()

    def ship(self) -> None:
        """What the hub and the site's witnesses know from now on."""
        (file,) = (self.node.drop.folder / "journal").glob("*.journal")
        frames = journal.scan(file.read_bytes()).frames
        self.shipped = replace(self.node.drop.witness, frames=len(frames), head=frames[-1].head)

    def vouch(self, node: Node) -> dict[str, Any]:
        """By who was shipped the appliance's journal."""
        return asyncio.run(self.shipped.vouch_soon(SignerClient(node.drop.socket)))

    def older_disk(self) -> Node:
        """The appliance as its disk is now, for another machine."""
        self._nodes += 1
        folder = self.folder / f"copy-{self._nodes}"
        copy = Node(copy_of(self.node.drop, folder), self.node.start, signer=self._signer())
        self.stack.callback(copy.down)
        return copy

    # ---- buyers

    def wishes(self, count: int) -> list[Wish]:
        """Of new buyers."""
        self._buyers += count
        return wishes(self.spare.drop, count, self._buyers - count)

    def sell(self, wanted: Sequence[Wish], strike: Callable[[], None] = lambda: None) -> list[Seen]:
        """By the front; the buyers' vouchers go into the book."""
        seen = sell(self.port, wanted, PER_SECOND, STRUCK_S, strike)
        for one in seen:
            if one.got:
                self.book.gave(msgspec.json.decode(one.answer))
        return seen

    def straight(self, node: Node, wish: Wish) -> Given | None:
        """A buyer at the site asks the node itself; None where it gives no voucher."""
        answer = HTTP.post(f"http://127.0.0.1:{node.port}/v1/claims", content=wish.body, timeout=10)
        if answer.status_code not in (200, 201):
            return None
        found: Given = answer.json()
        self.book.gave(found)
        return found

    def at_the_site(self, wanted: Sequence[Wish]) -> None:
        """Buyers ask the appliance itself; to whom it gives no voucher, goes to the front."""
        self.sell([wish for wish in wanted if self.straight(self.node, wish) is None])

    def served_by_appliance(self) -> None:
        """Until the front sends buyers to it again."""

        def there() -> bool:
            told = HTTP.get(f"http://127.0.0.1:{self.port}/", timeout=10).headers.get("X-Edgedrop-Node")
            return bool(told == self.node.drop.facts.node)

        wait_for(there, START_S, "the appliance at the front")

    # ---- the relayer

    def vouchers(self, node: Node, wanted: Sequence[Wish]) -> list[Given]:
        """Those that the node gave for these claims, answered or not, as its journal has them."""
        held = node.claims()
        found = [node.voucher(wish.claim_id) for wish in wanted if wish.claim_id in held]
        given = [one for one in found if one and "batch" in one]
        for one in given:
            self.book.gave(one)
        return given

    def redeem(self, vouchers: Sequence[Given]) -> None:
        """All of them, whatever the chain says of each."""
        for part in batched(vouchers, MAX_ITEMS, strict=False):
            outcome = self.there.chain.redeem_many(RELAYER, self.there.contract, part)
            why = {skip.item: skip.reason for skip in outcome.skipped}
            at = self.there.chain.block()[1]
            self.book.refused.update(why.values())
            for item, voucher in enumerate(part):
                if item not in why:
                    self.book.took(voucher, at)

    # ---- how

    def _up(self, node: Node, quota: int, redeem_by: int) -> Node:
        node.signer = self._signer()
        self.stack.callback(node.down)
        node.up()
        self.book.grants[node.drop.facts.grant_id] = Grant(node.start, quota, redeem_by)
        self.there.lease(node, quota, redeem_by)
        wait_for(lambda: node.asked("/readyz"), START_S, "a node that can sell")
        return node

    def _signer(self) -> tuple[str, ...]:
        bug = self.bug.signer
        return ("tests.chaos.planted_fencing", bug) if bug else ("node_image.signer",)


@contextmanager
def place(seed: int, bug: Bug = NO_BUG) -> Iterator[Place]:
    """Up until the end, then gone."""
    run = f"fencing-{uuid.uuid4().hex[:6]}"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder) / run
        home.mkdir()
        stack.callback(sweep, run)
        there = world(stack.enter_context(anvil()), TIER, bug.artifact)
        made = Place(home, there, stack, random.Random(seed), bug)  # noqa: S311  a seed that can be said again
        made.open()
        yield made
