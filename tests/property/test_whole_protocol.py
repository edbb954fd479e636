"""The whole protocol under hypothesis: partitions, failover, rotation, revocation, close-out, reorg, lying clocks.

After every step the invariants of the protocol hold (I1 to I9, model.must). Each planted rule break must be found.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from node_image.protocol import journal
from node_image.protocol.errors import ProtocolError
from node_image.protocol.freshness import Freshness
from node_image.protocol.journal import ClaimRecord, Kind
from node_image.protocol.rules import Claim
from node_image.protocol.timing import JUMP_MS
from tests.property import planted_rules
from tests.property.model import (
    CLOSES,
    NODES,
    PRICE,
    QUOTA,
    REDEEM_BY,
    SHARES,
    SUPPLY,
    Answer,
    Broken,
    Node,
    World,
    batches_of,
    claim,
    digest_of,
    key_claim,
    must,
)

A_NODE = tuple(range(len(NODES)))
YES_NO = (False, True)
CLAIMS = tuple(claim(wallet, slot, number) for wallet in range(3) for slot in range(2) for number in range(3))
CLAIMS += tuple(key_claim(key, number) for key in range(2) for number in range(2))
GIVING = {Kind.CLAIM, Kind.RESERVE}
MAX_EPOCH, WALKS, STEPS_A_WALK = 3, 3_000, 40
type Step = Callable[..., None]
STEPS: dict[str, dict[str, Sequence[object]]] = {}
QUIET = {Kind.TIME, Kind.LEASE, Kind.SIGNATURE, Kind.VOUCH}  # frames that give nothing to anybody


def step(**choices: Sequence[object]) -> Callable[[Step], Step]:
    """A rule of the machine whose arguments are each one of a few: hypothesis draws them, and so may a plain walk."""

    def made(function: Step) -> Step:
        STEPS[function.__name__] = choices
        drawn: dict[str, Any] = {name: st.sampled_from(values) for name, values in choices.items()}
        as_rule = cast("Callable[[Step], Step]", rule(**drawn))
        return as_rule(function)

    return made


class WholeProtocol(RuleBasedStateMachine):
    """Anything may happen in any order; what must never happen is in the invariants and in `model.must`."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.nodes = [Node(name, self.world) for name in NODES]
        for node in self.nodes:
            node.begin(1)
            self._open(node)

    @initialize(sells=st.booleans())
    def begins(self, sells: bool) -> None:
        """Half of the runs begin with nodes that sell already."""
        if sells:
            self.block()
            for node in range(len(NODES)):
                self.witness_and_time(node)

    def _open(self, node: Node) -> None:
        free = [start for start in range(SUPPLY - QUOTA + 1) if not self.world.chain.overlaps(range(start, start + 3))]
        if free and node.grant_id not in self.world.chain.grants:
            self.world.chain.open(node.grant_id, free[0], node.epoch)

    def _deliver(self) -> None:
        for node in self.nodes:
            if (grant := self.world.chain.told().get(node.grant_id)) is not None and not node.cut_off:
                node.lease(grant)

    # ---- the chain goes on

    @step()
    def block(self) -> None:
        self._deliver()
        self.world.chain.settle()
        self._deliver()

    @step()
    def reorg(self) -> None:
        """What was not final is gone; the operator opens leases again, the other node's first this time."""
        self._deliver()
        self.world.chain.reorg()
        for node in reversed(self.nodes):
            self._open(node)

    @step(passed=(1, 60, 4_000, 12_000))
    def time_passes(self, passed: int) -> None:
        self.world.now += passed

    # ---- buyers

    @step(node=A_NODE, one=CLAIMS, two=CLAIMS, three=CLAIMS)
    def claims(self, node: int, one: Claim, two: Claim, three: Claim) -> None:
        self.nodes[node].claim([one, two, three])

    @step(node=A_NODE, one=CLAIMS)
    def a_claim(self, node: int, one: Claim) -> None:
        self.nodes[node].claim([one])

    @step(node=A_NODE, asked=CLAIMS, dies=("append", "sign", "answer"))
    def failover(self, node: int, asked: Claim, dies: str) -> None:
        """The node dies in the midst; the front sends the same claim to the other one."""
        self.nodes[node].claim([asked], dies=dies)
        self.nodes[1 - node].claim([asked])

    @step(number=range(9))
    def redeem(self, number: int) -> None:
        for answer in self.world.answers[number : number + 1]:
            self._redeem(answer)

    @step()
    def everybody_redeems(self) -> None:
        for answer in self.world.answers:
            self._redeem(answer)

    def _redeem(self, answer: Answer) -> None:
        world, chain = self.world, self.world.chain
        grant = chain.grants.get(answer.leaf.grant_id)
        if grant is None:
            raise Broken("I3: a voucher of a lease that the chain does not know")
        proven = grant.status in {"open", "closed"} or digest_of(answer.batch) in world.anchored
        free = world.minted[answer.nullifier] == 0
        refused = chain.redeem(answer, world.now, world.hsm)
        if refused:
            must(not (proven and free and world.now <= REDEEM_BY), "I3", f"a good voucher is refused: {refused}")
            return
        must(proven, "I5", "a voucher that was not proven, of a frozen grant")
        must(world.now <= REDEEM_BY, "I4", f"redeemed at {world.now}")
        world.minted[answer.nullifier] += 1
        must(free, "I8", "a nullifier twice")

    # ---- what happens to nodes

    @step(node=A_NODE, reboot=YES_NO, hears=("nobody", "witness", "both"))
    def restarts(self, node: int, reboot: bool, hears: str) -> None:
        one = self.nodes[node]
        one.restart(one.disk, reboot=reboot)
        if hears != "nobody":
            one.witness()
        if hears == "both":
            one.hear("hub", 0)

    @step(node=A_NODE, copy=range(9))
    def an_older_copy_is_restored(self, node: int, copy: int) -> None:
        """Where somebody outside saw what is not in it: with nobody who did, no rule can tell it from the newest."""
        one = self.nodes[node]
        older = one.copies[-1 - copy % len(one.copies)]
        given = {frame.head for told in one.copies for frame in told if frame.kind not in QUIET}
        if len(older) < self._seen(one) or given <= {frame.head for frame in older}:
            one.restart(older, reboot=False)
            one.genuine = False
            one.witness()

    def _seen(self, node: Node) -> int:
        peer = self.world.seen.get(node.grant_id)
        return max(peer.frames if peer else 0, len(self.world.ledger.get(node.grant_id, [])))

    @step(node=A_NODE, cut_off=YES_NO)
    def partition(self, node: int, cut_off: bool) -> None:
        self.nodes[node].cut_off = cut_off

    @step(node=A_NODE)
    def witness_and_time(self, node: int) -> None:
        self.nodes[node].witness()
        self.nodes[node].hear("hub", 0)

    @step(node=A_NODE)
    def a_second_source(self, node: int) -> None:
        """The tech's token beside the hub's: after a long time without power one source alone is not believed."""
        for source in ("hub", "owner"):
            self.nodes[node].hear(source, 0)

    @step(node=A_NODE, off=(-12_000, -1_000, 1_000, 15_000), again=YES_NO)
    def a_source_lies(self, node: int, off: int, again: bool) -> None:
        """One of several: the first that is heard after a reboot has nothing to be held against, so that is the hub."""
        for _ in range(2 if again else 1):
            if self.nodes[node].knows_this_boot():
                self.nodes[node].hear("nts", off)

    # ---- the hub, the holders, the operator

    @step(node=A_NODE)
    def ships(self, node: int) -> None:
        """The hub adds its signature to a close-out once the ledger holds the CLOSE frame, not before."""
        one = self.nodes[node]
        one.ship()
        held = self.world.ledger.get(one.grant_id, [])
        if held and held[-1].kind is Kind.CLOSE and one.grant_id in self.world.chain.grants:
            self.world.chain.close_out(one.grant_id, held[-1].payload["high_seqs"][0])

    @step(node=A_NODE, asked=CLAIMS)
    def a_claim_is_anchored(self, node: int, asked: Claim) -> None:
        self.nodes[node].claim([asked])
        self.anchor(node)

    @step(node=A_NODE)
    def anchor(self, node: int) -> None:
        one = self.nodes[node]
        one.ship()
        held = self.world.ledger.get(one.grant_id, [])
        if held and one.grant_id in self.world.chain.grants:
            signed = [batch for batch in batches_of(journal.replay(held)) if batch.signature]
            open_now = self.world.chain.grants[one.grant_id].status == "open"
            high = max((told.seq + 1 for batch in signed for told in batch.claims), default=0)
            digests = {digest_of(batch.header) for batch in signed} - self.world.anchored
            self.world.chain.anchor(one.grant_id, digests, high)
            if open_now:
                self.world.anchored |= digests

    @step(node=A_NODE, one=CLAIMS, two=CLAIMS)
    def frozen_after_two_checkpoints(self, node: int, one: Claim, two: Claim) -> None:
        self.a_claim_is_anchored(node, one)
        self.a_claim_is_anchored(node, two)
        self.freeze(node)

    @step(node=A_NODE)
    def freeze(self, node: int) -> None:
        grant = self.world.chain.grants.get(self.nodes[node].grant_id)
        if grant and grant.status == "open":
            grant.status = "frozen"

    @step(node=A_NODE)
    def supplement(self, node: int) -> None:
        """The box is recovered: 2 of 3 add the batches that extend the anchored ones in one unbroken chain."""
        one = self.nodes[node]
        grant = self.world.chain.grants.get(one.grant_id)
        if grant and grant.status == "frozen" and one.genuine:
            digests = one.durable_headers() & self.world.hsm.digests
            self.world.chain.add_roots(grant, digests)
            self.world.anchored |= digests

    @step(node=A_NODE)
    def close_out(self, node: int) -> None:
        one = self.nodes[node]
        if one.grant_id in self.world.chain.grants:
            one.close()
            self.ships(node)

    @step(node=A_NODE)
    def rotate(self, node: int) -> None:
        one = self.nodes[node]
        if one.epoch < MAX_EPOCH:
            one.begin(one.epoch + 1)
            self._open(one)

    @step()
    def withdraw(self) -> None:
        chain = self.world.chain
        chain.withdraw()
        must(sum(chain.paid) == chain.takings, "I9", f"{chain.paid} of {chain.takings}")
        for paid, share in zip(chain.paid[:-1], SHARES, strict=False):
            must(paid == chain.takings * share // 10_000, "I9", f"{paid} is not its share")

    # ---- what holds after every step

    @invariant()
    def holds(self) -> None:
        self.i1_supply_and_ranges()
        self.i3_answered_claims_are_in_the_journal()
        self.i4_clocks()
        self.i6_ledger_and_journal_are_one()
        self.a_closed_grant_signs_nothing()
        self.a_stale_journal_gives_nothing()
        self.nothing_outside_the_window()

    def i1_supply_and_ranges(self) -> None:
        chain = self.world.chain
        must(len(chain.owners) <= SUPPLY, "I1")
        grants = (chain.grants | chain.pending).values()
        held = [grant.start + seq for grant in grants for seq in range(grant.quota)]
        must(len(held) == len(set(held)), "I1", "two leases hold one token")
        must(chain.takings == PRICE * len(chain.owners), "I9")

    def i3_answered_claims_are_in_the_journal(self) -> None:
        for node in self.nodes:
            mine = [answer for answer in self.world.answers if answer.leaf.grant_id == node.grant_id]
            held = {record.leaf(node.grant_id) for record in _records(node)} if mine and node.genuine else set()
            must(not node.genuine or all(answer.leaf in held for answer in mine), "I3", node.name)

    def i4_clocks(self) -> None:
        for node in self.nodes:
            must(node.state.clock.floor_ms <= self.world.now * 1000 + JUMP_MS + 1000, "I4", "a poisoned floor")
            issued = [batch.header.issued_at for batch in batches_of(node.state)]
            must(issued == sorted(issued), "I4", "issued before what was issued before")

    def i6_ledger_and_journal_are_one(self) -> None:
        for node in self.nodes:
            held = self.world.ledger.get(node.grant_id, [])
            if node.genuine:
                must([one.head for one in held] == [one.head for one in node.disk[: len(held)]], "I6", node.name)

    def a_closed_grant_signs_nothing(self) -> None:
        for grant_id, grant in self.world.chain.grants.items():
            if grant.status == "closed":
                given = [frame.payload["seq"] for frame in self.world.ledger[grant_id] if frame.kind in GIVING]
                given += [told.leaf.seq for told in self.world.answers if told.leaf.grant_id == grant_id]
                must(all(seq is None or seq < grant.quota for seq in given), "I3", "given beyond the close-out")

    def a_stale_journal_gives_nothing(self) -> None:
        for node in self.nodes:
            if node.verdict.freshness is not Freshness.FRESH:
                must(node.decide(claim(0, 0, 99)).seq is None, "I2", "a seq from a journal that may be an older copy")

    def nothing_outside_the_window(self) -> None:
        for node in self.nodes:
            if self.world.now >= CLOSES + JUMP_MS // 1000:
                must(node.decide(claim(0, 0, 99)).result != "sign", "I4", "signs after the window")


def _records(node: Node) -> list[ClaimRecord]:
    return [record for batch in batches_of(node.state) for record in batch.claims]


WholeProtocolTest = WholeProtocol.TestCase
WholeProtocolTest.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("name", planted_rules.BREAKS)
def test_each_planted_rule_break_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted_rules.BREAKS[name](monkeypatch)
    with pytest.raises((AssertionError, ProtocolError)):
        walks()


def walks() -> None:
    """Many, each by a seed that can be said again."""
    for number in range(WALKS):
        walk(random.Random(number))  # noqa: S311


def walk(rng: random.Random) -> None:
    """The same machine without hypothesis, whose choosing and shrinking cost ten times what the steps do."""
    machine = WholeProtocol()
    machine.begins(rng.random() < 0.7)
    names = list(STEPS)
    for _ in range(STEPS_A_WALK):
        name = rng.choice(names)
        arguments = {key: rng.choice(values) for key, values in STEPS[name].items()}
        getattr(machine, name)(**arguments)
        machine.holds()
