"""A small drop for the protocol's tests: facts, wallets that sign claims, a journal that grows."""

from __future__ import annotations

from coincurve import PrivateKey

from node_image.protocol import journal, merkle
from node_image.protocol.acts import receive_hash
from node_image.protocol.eip712 import claim_hash, claim_struct_hash, digest, grant_id, key_claim_struct_hash
from node_image.protocol.facts import DropFacts, TierFacts
from node_image.protocol.freshness import Freshness, Verdict
from node_image.protocol.journal import Frame, JournalState, Kind
from node_image.protocol.rules import Claim, Standing
from node_image.protocol.signature import address_of, to_rsv
from node_image.protocol.timing import Interval

NOW = 1_790_000_100
LEASE_KEY = PrivateKey(b"\x22" * 32)
FACTS = DropFacts(
    schema=1,
    drop="harbour-lights",
    title="Harbour Lights",
    chain_id=31337,
    contract="0x5fbdb2315678afecb367f032d93f642f64180aa3",
    manifest_digest="0x" + "33" * 32,
    owner_public_key="",
    node="quay-appliance1",
    geo="quay",
    epoch=1,
    grant_id="0x" + grant_id("harbour-lights", "quay-appliance1", 1).hex(),
    opens_at=NOW - 100,
    closes_at=NOW + 1000,
    redeem_by=NOW + 5000,
    tiers=(TierFacts(0, "print", "Print", 0, 2, 0), TierFacts(1, "shirt", "Shirt", 10**16, 1, 2, "SHIRT-M")),
)
SEPARATOR = FACTS.domain().separator
LEASES = [
    {"tier": 0, "start": 1, "quota": 4, "not_before": NOW - 100, "redeem_by": NOW + 5000},
    {"tier": 1, "start": 41, "quota": 2, "not_before": NOW - 100, "redeem_by": NOW + 5000},
]


FRESH = Verdict(Freshness.FRESH)
UNSEEN = Verdict(Freshness.NO_WITNESS, "nobody has seen it")


def at(lo: int, hi: int | None = None, verdict: Verdict = FRESH, *, waiting: bool = False) -> Standing:
    """A signer that knows the time to the second, and stands on the newest journal."""
    return Standing(Interval(lo, lo if hi is None else hi), verdict, waiting)


def no_clock(lo: int, verdict: Verdict = FRESH, *, waiting: bool = False) -> Standing:
    """A signer that has heard of no time since it started."""
    return Standing(Interval(lo, None), verdict, waiting)


def sign(key: PrivateKey, hashed: bytes) -> bytes:
    """As a wallet or an HSM does."""
    return to_rsv(hashed, key.sign_recoverable(hashed, hasher=None)[:64], key.public_key.format(compressed=False))


def address(key: PrivateKey) -> bytes:
    """The key's address."""
    return address_of(key.public_key.format(compressed=False))


def wallet(number: int) -> PrivateKey:
    """The same few wallets in every test."""
    return PrivateKey((number + 1).to_bytes(32))


def claim(claim_id: str, buyer: int = 0, tier: int = 0, slot: int = 0) -> Claim:
    """A claim as the buyer's wallet signs it."""
    hashed = digest(SEPARATOR, claim_struct_hash(FACTS.drop, tier, slot, claim_hash(claim_id)))
    return Claim(claim_id, tier, address(wallet(buyer)), slot, sign(wallet(buyer), hashed))


def key_claim(claim_id: str, key: int = 0, tier: int = 0) -> Claim:
    """A claim as a claim key signs it."""
    hashed = digest(SEPARATOR, key_claim_struct_hash(FACTS.drop, tier, claim_hash(claim_id)))
    return Claim(claim_id, tier, bytes(20), 0, sign(wallet(key), hashed), address(wallet(key)))


def receive(leaf: bytes, receiver: bytes, key: int = 0) -> bytes:
    """The claim key's word on who gains by the leaf."""
    return sign(wallet(key), digest(SEPARATOR, receive_hash(leaf, receiver)))


class Grown:
    """A journal that grows as the signer's does."""

    def __init__(self) -> None:
        self.state = JournalState()
        self.frames: list[Frame] = []
        self.append(Kind.GRANT, {"grant_id": grant_id(FACTS.drop, FACTS.node, 1), "key": address(LEASE_KEY)})

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        return b"".join(frame.raw for frame in self.frames)

    def append(self, kind: Kind, payload: dict[str, object]) -> None:
        """One frame more."""
        frame = journal.encode(kind, len(self.frames), payload, self.state.head)
        self.state.apply(frame)
        self.frames.append(frame)

    def lease(self) -> None:
        """The node's leases."""
        self.append(Kind.LEASE, {"document": {"leases": LEASES}, "envelope": b"{}"})

    def claimed(self, asked: Claim, seq: int) -> None:
        """A CLAIM frame, whatever the rules say."""
        told = {"claim_id": asked.claim_id, "tier": asked.tier, "seq": seq, "to": asked.to}
        by_key = {"claim_key": asked.claim_key}
        self.append(Kind.CLAIM, {**told, "slot": asked.slot, "signature": asked.signature} | by_key)

    def reserved(self, asked: Claim, seq: int | None, *, sure: bool = True) -> None:
        """A RESERVE frame, whatever the rules say."""
        told = {"claim_id": asked.claim_id, "tier": asked.tier, "seq": seq, "to": asked.to, "slot": asked.slot}
        rest = {"signature": asked.signature, "at": NOW, "sure": sure, "claim_key": asked.claim_key}
        self.append(Kind.RESERVE, told | rest)

    def closed(self) -> None:
        """A CLOSE frame."""
        self.append(Kind.CLOSE, {"high_seqs": list(self.state.high_seqs(2)), "at": NOW})

    def batch(self, *, signed: bool = True, issued_at: int = NOW) -> None:
        """The header over what waits, and its signature."""
        leaves = [record.leaf(self.state.grant_id).struct_hash() for record in self.state.waiting]
        number = self.state.next_batch
        header = {"batch_seq": number, "root": merkle.root(leaves), "count": len(leaves), "issued_at": issued_at}
        self.append(Kind.BATCH, header)
        if signed:
            made = sign(LEASE_KEY, digest(SEPARATOR, self.state.batches[number].header.struct_hash()))
            self.append(Kind.SIGNATURE, {"batch_seq": number, "signature": made})


def grown() -> Grown:
    """A grant with leases and two batches: of two claims, and of one."""
    made = Grown()
    made.lease()
    made.claimed(claim("a", 0), 0)
    made.claimed(claim("b", 1, tier=1), 0)
    made.batch()
    made.claimed(claim("c", 2), 1)
    made.batch()
    return made
