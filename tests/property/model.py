"""A small world to hold the protocol against: a chain, a ledger, sources of time, and nodes that run the real rules.

The nodes' decisions, journals, clocks and freshness are the protocol's own code; chain and ledger are models of a few
lines, so that what they accept can be read at a glance. An HSM is a log of what it signed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from coincurve import PrivateKey

from node_image.protocol import eip712, freshness, journal, merkle, rules
from node_image.protocol.eip712 import Batch, Voucher
from node_image.protocol.facts import DropFacts, TierFacts
from node_image.protocol.freshness import Freshness, Seen, Verdict
from node_image.protocol.journal import BatchRecord, ClaimRecord, Frame, JournalState, Kind
from node_image.protocol.rules import Claim, Result, Standing
from node_image.protocol.signature import address_of
from node_image.protocol.timing import Boot, Interval, Reading, TimeRefused, hear

OPENS, CLOSES, REDEEM_BY = 100_000, 110_000, 120_000  # Unix seconds of this world
SUPPLY, QUOTA, CAP, PRICE = 9, 3, 2, 7
SHARES = (3333, 6667)
NODES = ("a", "b")
WALLETS = [PrivateKey(bytes([number]) * 32) for number in range(1, 4)]
TIERS = (TierFacts(0, "print", "Print", PRICE, CAP, 0),)
FACTS = DropFacts(
    1, "d", "D", 1, "0x" + "11" * 20, "0x", "", "n", "g", 1, "0x" + "22" * 32, OPENS, CLOSES, REDEEM_BY, TIERS
)
SEPARATOR = FACTS.domain().separator

type Nullifier = tuple[int, bytes, int] | bytes


class Broken(AssertionError):
    """An invariant of PROTOCOL.md does not hold; the message begins with its name."""


def must(holds: bool, invariant: str, what: str = "") -> None:
    """I1 to I9, by name."""
    if not holds:
        raise Broken(f"{invariant}: {what}")


@cache
def claim(wallet: int, slot: int, number: int) -> Claim:
    """A claim that its wallet signed."""
    claim_id = f"{wallet}-{slot}-{number}"
    struct = eip712.claim_struct_hash("d", 0, slot, eip712.claim_hash(claim_id))
    raw = WALLETS[wallet].sign_recoverable(eip712.digest(SEPARATOR, struct), hasher=None)
    to = address_of(WALLETS[wallet].public_key.format(compressed=False))
    return Claim(claim_id, 0, to, slot, raw[:64] + bytes([27 + raw[64]]))


@cache
def key_claim(key: int, number: int) -> Claim:
    """A claim that its claim key signed; who has it as a wallet has other claims."""
    claim_id = f"key-{key}-{number}"
    struct = eip712.key_claim_struct_hash("d", 0, eip712.claim_hash(claim_id))
    raw = WALLETS[key].sign_recoverable(eip712.digest(SEPARATOR, struct), hasher=None)
    own = address_of(WALLETS[key].public_key.format(compressed=False))
    return Claim(claim_id, 0, bytes(20), 0, raw[:64] + bytes([27 + raw[64]]), own)


@dataclass(frozen=True, slots=True)
class Answer:
    """A voucher in a buyer's hand."""

    leaf: Voucher
    batch: Batch
    proof: tuple[bytes, ...]

    @property
    def nullifier(self) -> Nullifier:
        """What redeems once."""
        leaf = self.leaf
        return leaf.claim_key if leaf.claim_key != bytes(20) else (leaf.tier, leaf.to, leaf.slot)


@dataclass(slots=True)
class Grant:
    """As the chain keeps it; `quota` falls by a close-out, `covered` is the highest anchored seq."""

    start: int
    quota: int
    epoch: int
    status: str = "open"
    covered: int = 0
    roots: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class Chain:
    """What the contract accepts. Openings are final one block after they were mined; a reorg takes back others."""

    grants: dict[bytes, Grant] = field(default_factory=dict)
    leased: set[int] = field(default_factory=set)
    pending: dict[bytes, Grant] = field(default_factory=dict)
    nullifiers: set[object] = field(default_factory=set)
    owners: dict[int, bytes] = field(default_factory=dict)
    takings: int = 0
    paid: list[int] = field(default_factory=lambda: [0] * len(SHARES))

    def open(self, grant_id: bytes, start: int, epoch: int) -> bool:
        """A lease over `start .. start + QUOTA - 1`; refused where a bit of it is set."""
        wanted = range(start, start + QUOTA)
        if self.overlaps(wanted) or start + QUOTA > SUPPLY:
            return False
        self.leased |= set(wanted)
        self.pending[grant_id] = Grant(start, QUOTA, epoch)
        return True

    def overlaps(self, wanted: Iterable[int]) -> bool:
        """Whether a token of these is leased."""
        return not self.leased.isdisjoint(wanted)

    def settle(self) -> None:
        """A block: what is pending is final."""
        self.grants |= self.pending
        self.pending.clear()

    def reorg(self) -> None:
        """What is pending was never there."""
        for lost in self.pending.values():
            self.leased -= set(range(lost.start, lost.start + lost.quota))
        self.pending.clear()

    def told(self) -> dict[bytes, Grant]:
        """The openings that nodes get to hear of."""
        return self.grants

    def redeem(self, answer: Answer, now: int, hsm: HsmLog) -> str:
        """Empty, or why it is refused."""
        grant = self.grants[answer.leaf.grant_id]
        token = grant.start + answer.leaf.seq
        climbed = merkle.climb(answer.leaf.struct_hash(), list(answer.proof))
        rules_kept = {
            "no such signature": hsm.signed(answer.batch),
            "not in its batch": climbed == answer.batch.root,
            "beyond the quota": answer.leaf.seq < grant.quota,
            "out of time": self.in_time(now),
            "not proven": self.proven(grant, answer),
            "another epoch": self.epoch_counts(grant),
            "nullifier used": self.key_of(answer) not in self.nullifiers,
            "token taken": token not in self.owners,
        }
        if broken := [name for name, kept in rules_kept.items() if not kept]:
            return broken[0]
        self.nullifiers.add(self.key_of(answer))
        self.owners[token] = answer.leaf.to
        self.takings += PRICE
        return ""

    def in_time(self, now: int) -> bool:
        """Within [notBefore, redeemBy]."""
        return OPENS <= now <= REDEEM_BY

    def proven(self, grant: Grant, answer: Answer) -> bool:
        """A frozen or revoked grant's vouchers count where their batch is under a root that was anchored."""
        return grant.status in {"open", "closed"} or digest_of(answer.batch) in grant.roots

    def epoch_counts(self, _grant: Grant) -> bool:
        """Every epoch does."""
        return True

    def key_of(self, answer: Answer) -> object:
        """What redeems once."""
        return answer.nullifier

    def anchor(self, grant_id: bytes, digests: Iterable[bytes], high: int) -> None:
        """A checkpoint of the hub's, while the grant is open."""
        grant = self.grants[grant_id]
        if grant.status == "open":
            self.add_roots(grant, set(digests))
            grant.covered = max(grant.covered, high)

    def add_roots(self, grant: Grant, digests: set[bytes]) -> None:
        """A set that only grows."""
        grant.roots |= digests

    def close_out(self, grant_id: bytes, high: int) -> bool:
        """The quota is the high seq; what lies above is free again. Once, and only of an open grant."""
        grant = self.grants[grant_id]
        if grant.status != "open" or self.below(high, grant):
            return False
        self.leased -= set(range(grant.start + high, grant.start + grant.quota))
        grant.quota, grant.status = high, "closed"
        return True

    def below(self, high: int, grant: Grant) -> bool:
        """A checkpoint covers seqs that the close-out would cut off."""
        return high < grant.covered

    def withdraw(self) -> None:
        """Everybody's part of the running total; the last has the rest."""
        due = [self.takings * share // 10_000 for share in SHARES]
        due[-1] = self.takings - sum(due[:-1])
        self.paid = self.parts(due)

    def parts(self, due: list[int]) -> list[int]:
        """What is paid in all."""
        return due


@dataclass(slots=True)
class HsmLog:
    """Everything that any lease key signed, with when it was and how much of the journal was durable then."""

    batches: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    leaves: dict[int, bytes] = field(default_factory=dict)
    digests: set[bytes] = field(default_factory=set)

    def sign(self, node: Node, batch: Batch, claims: Iterable[ClaimRecord], world: World) -> None:
        """Sign, and hold each signature against what it must keep."""
        digest = digest_of(batch)
        first = self.batches.setdefault((batch.grant_id, batch.batch_seq), digest)
        must(first == digest, "I2", f"two digests of batch {batch.batch_seq}")
        must(digest in node.durable_headers(), "I7", "signed before its header was durable")
        must(OPENS <= world.now < REDEEM_BY, "I4", f"signed at {world.now}")
        start = node.state.leases[0].start
        for one in claims:
            leaf = one.leaf(batch.grant_id).struct_hash()
            must(self.leaves.setdefault(start + one.seq, leaf) == leaf, "I2", f"two leaves of token {start + one.seq}")
        self.digests.add(digest)

    def signed(self, batch: Batch) -> bool:
        """Whether a lease key signed exactly this."""
        return digest_of(batch) in self.digests


def digest_of(batch: Batch) -> bytes:
    """What is signed."""
    return eip712.digest(SEPARATOR, batch.struct_hash())


@dataclass(slots=True)
class World:
    """True time, the chain, the ledger and the HSMs."""

    now: int = OPENS
    chain: Chain = field(default_factory=Chain)
    hsm: HsmLog = field(default_factory=HsmLog)
    ledger: dict[bytes, list[Frame]] = field(default_factory=dict)
    seen: dict[bytes, Seen] = field(default_factory=dict)  # the last head that a peer stored of each grant
    answers: list[Answer] = field(default_factory=list)
    minted: Counter[Nullifier] = field(default_factory=Counter)
    anchored: set[bytes] = field(default_factory=set)  # every digest that was ever under a root


@dataclass(slots=True)
class Node:
    """A signer without its sockets: journal, clock, witness; `disk` is what survives it."""

    name: str
    world: World
    epoch: int = 0
    grant_id: bytes = b""
    state: JournalState = field(default_factory=JournalState)
    frames: list[Frame] = field(default_factory=list)
    disk: list[Frame] = field(default_factory=list)
    copies: list[tuple[Frame, ...]] = field(default_factory=list)
    verdict: Verdict = field(default_factory=lambda: Verdict(Freshness.NO_WITNESS, "just started"))
    boot: int = 0
    booted_at: int = OPENS - 50
    heard: list[Reading] = field(default_factory=list)
    cut_off: bool = False
    genuine: bool = True  # its disk was never replaced by an older copy

    def begin(self, epoch: int) -> None:
        """A new grant with a journal of its own."""
        self.epoch, self.grant_id = epoch, eip712.grant_id("d", self.name, epoch)
        self.state, self.frames, self.disk, self.copies = JournalState(), [], [], []
        self.append(Kind.GRANT, {"grant_id": self.grant_id, "key": self.grant_id[:20]})
        self.sync()
        self.verdict, self.genuine = Verdict(Freshness.NO_WITNESS, "a new journal"), True

    def lease(self, grant: Grant) -> None:
        """As the courier hands it over, once it is final on chain."""
        if 0 not in self.state.leases and self.state.journal_seq:
            told = {"tier": 0, "start": grant.start, "quota": QUOTA, "not_before": OPENS, "redeem_by": REDEEM_BY}
            self.append(Kind.LEASE, {"document": {"leases": [told]}, "envelope": b""})
            self.sync()

    def append(self, kind: Kind, payload: dict[str, object]) -> None:
        """One frame, not durable yet."""
        frame = journal.encode(kind, len(self.frames), payload, self.state.head)
        self.state.apply(frame)
        self.frames.append(frame)

    def sync(self) -> None:
        """All frames are durable."""
        self.disk = list(self.frames)
        self.copies.append(tuple(self.disk))

    def durable_headers(self) -> set[bytes]:
        """The digests of the batch headers on disk."""
        grant = self.grant_id
        told = [frame.payload for frame in self.disk if frame.kind is Kind.BATCH]
        return {digest_of(Batch(grant, one["batch_seq"], one["root"], one["count"], one["issued_at"])) for one in told}

    def count(self) -> Boot:
        """CLOCK_BOOTTIME."""
        return Boot(f"{self.name}{self.boot}", (self.world.now - self.booted_at) * 1000)

    def standing(self) -> Standing:
        """How it stands."""
        found = self.state.clock.at(self.count())
        doubted = self.state.clock.doubted(self.heard, self.count())
        return Standing(Interval(found.lo, None if doubted else found.hi), self.verdict)

    def restart(self, disk: Iterable[Frame], *, reboot: bool) -> None:
        """From what is on disk, with no witness yet; a reboot loses the count of time."""
        found = journal.scan(b"".join(frame.raw for frame in disk))
        self.frames, self.disk = list(found.frames), list(found.frames)
        self.state = journal.replay(self.frames)
        self.verdict = Verdict(Freshness.NO_WITNESS, "just started")
        self.heard.clear()
        if reboot:
            self.boot, self.booted_at = self.boot + 1, self.world.now

    def witness(self) -> None:
        """The hub says what it holds; a journal that passes finishes what the last run left."""
        if self.cut_off or self.verdict.freshness is not Freshness.NO_WITNESS:
            return
        held = self.world.ledger.get(self.grant_id, [])
        told = [Seen("hub", len(held), held[-1].head if held else journal.NO_HEAD)]
        told += [self.world.seen[self.grant_id]] if self.grant_id in self.world.seen else []
        self.verdict = freshness.judge(len(self.frames), self.head_after, told)
        self.finish()

    def finish(self) -> None:
        """What a crash left with no signature, once that may be."""
        for batch in self.state.unsigned():
            if rules.may_finish(self.state, {0}, self.standing()):
                self.sign(batch.header.batch_seq)

    def head_after(self, frames: int) -> bytes:
        """The head after so many frames."""
        return self.frames[frames - 1].head if frames else journal.NO_HEAD

    def hear(self, source: str, off: int) -> None:
        """A source says the time, `off` seconds beside the truth."""
        if self.verdict.freshness is not Freshness.FRESH or self.cut_off or self.state.closed:
            return
        told = (self.world.now + off) * 1000
        reading = Reading(source, told, told + 20, self.count())
        try:
            heard = hear(self.state.clock, reading, self.heard)
        except TimeRefused:
            self.heard.append(reading)
            return
        fields = ("source", "lo_ms", "hi_ms")
        readings = [
            {name: getattr(one, name) for name in fields}
            | {"boot_id": one.boot.id, "boot_ms": one.boot.ms, "envelope": b""}
            for one in heard.readings
        ]
        self.append(Kind.TIME, {"readings": readings, "floor_ms": heard.clock.floor_ms, "command": b""})
        self.sync()
        self.finish()

    def knows_this_boot(self) -> bool:
        """An honest source was heard since the power came."""
        anchor = self.state.clock.anchor
        told = [anchor, *self.heard] if anchor else []
        return any(one.boot.id == self.count().id for one in told)

    def decide(self, asked: Claim) -> rules.Decision:
        """The real rules."""
        return rules.decide(self.state, FACTS, SEPARATOR, asked, self.standing())

    def claim(self, asked: list[Claim], *, dies: str = "") -> None:
        """A group of claims as the signer takes it; `dies` before it is durable, before it is signed or answered."""
        chosen = [one for one in asked if self.take(one)]
        if chosen:
            if dies == "append":
                return self.restart(self.disk, reboot=False)
            number = self.header()
            self.persist()
            if dies == "sign":
                return self.restart(self.disk, reboot=False)
            self.sign(number)
            if dies == "answer":
                return self.restart(self.disk, reboot=False)
            self.tell_peers()
        for one in asked:
            if (record := self.state.claims.get(one.claim_id)) is not None and journal.who(record) == journal.who(one):
                self.answer(record)
        return None

    def take(self, asked: Claim) -> bool:
        """Decide, and journal at once."""
        decision = self.decide(asked)
        told = {"claim_id": asked.claim_id, "tier": 0, "seq": decision.seq, "to": asked.to, "slot": asked.slot}
        told["claim_key"] = asked.claim_key
        if decision.result is Result.SIGN:
            self.append(Kind.CLAIM, {**told, "signature": asked.signature})
        if decision.result is Result.RESERVE and not self.state.waiting:
            rest = {"signature": asked.signature, "at": decision_time(self), "sure": decision.sure}
            self.append(Kind.RESERVE, told | rest)
            self.sync()
            if decision.seq is not None:
                self.tell_peers()
        return decision.result is Result.SIGN

    def header(self) -> int:
        """The batch over what waits."""
        leaves = [one.leaf(self.grant_id).struct_hash() for one in self.state.waiting]
        number = self.state.next_batch
        issued = decision_time(self)
        self.append(
            Kind.BATCH, {"batch_seq": number, "root": merkle.root(leaves), "count": len(leaves), "issued_at": issued}
        )
        return number

    def persist(self) -> None:
        """Before the HSM is asked."""
        self.sync()

    def sign(self, number: int) -> None:
        """The HSM, then the SIGNATURE frame."""
        batch = self.state.batches[number]
        self.world.hsm.sign(self, batch.header, batch.claims, self.world)
        self.append(Kind.SIGNATURE, {"batch_seq": number, "signature": bytes(64) + bytes([27])})

    def tell_peers(self) -> None:
        """Off the answer's path: the newest head."""
        self.world.seen[self.grant_id] = Seen("peer", len(self.disk), self.disk[-1].head)

    def answer(self, record: ClaimRecord) -> None:
        """The voucher in the buyer's hand."""
        batch = self.state.batches[record.batch_seq]
        if batch.signature is None:
            return
        leaves = [one.leaf(self.grant_id).struct_hash() for one in batch.claims]
        proof = merkle.proof(merkle.tree(leaves), record.index)
        made = Answer(record.leaf(self.grant_id), batch.header, tuple(proof))
        if made not in self.world.answers:
            self.world.answers.append(made)

    def close(self) -> None:
        """The terminal frame."""
        if self.verdict.freshness is Freshness.FRESH and self.state.leases and not self.state.closed:
            self.append(Kind.CLOSE, {"high_seqs": list(self.state.high_seqs(1)), "at": decision_time(self)})
            self.sync()

    def ship(self) -> None:
        """What is durable and new to the ledger, which checks the chain and follows no break."""
        held = self.world.ledger.setdefault(self.grant_id, [])
        if self.cut_off or self.verdict.freshness is not Freshness.FRESH:
            return
        new = b"".join(frame.raw for frame in self.disk[len(held) :])
        head = held[-1].head if held else journal.NO_HEAD
        held.extend(frame for _, frame in journal.decode(new, head=head, seq=len(held)))


def batches_of(state: JournalState) -> list[BatchRecord]:
    """All of a journal's batches."""
    return [state.batches[number] for number in range(state.next_batch)]


def decision_time(node: Node) -> int:
    """The lower end of what it knows."""
    return node.standing().time.lo
