"""A node as the bus sees it: a lease key and a journal that grows, published as the courier publishes it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import Any

from coincurve import PrivateKey

from node_image.hub.ledger.evidence import signed_json
from node_image.protocol import announcement, journal, merkle
from node_image.protocol.eip712 import Domain, digest, grant_id
from node_image.protocol.facts import TierFacts
from node_image.protocol.journal import Frame, JournalState, Kind
from node_image.protocol.lease import Lease
from node_image.protocol.signature import address_of, to_rsv

FOREVER = 2**40 - 1
ISSUED_AT = 1_790_000_000


@dataclass
class Node:
    """One grant of a drop with one free tier."""

    drop: str
    name: str
    contract: str
    lease: Lease
    key: PrivateKey
    chain_id: int = 31337
    state: JournalState = field(default_factory=JournalState)
    frames: list[Frame] = field(default_factory=list)
    shipped: int = 0

    def __post_init__(self) -> None:
        self.append(Kind.GRANT, {"grant_id": self.grant_id, "key": self.address})
        lease = {name: getattr(self.lease, name) for name in self.lease.__struct_fields__}
        self.append(Kind.LEASE, {"document": {"leases": [lease]}, "envelope": b"{}"})

    @property
    def grant_id(self) -> bytes:
        """Its name on chain."""
        return grant_id(self.drop, self.name, 1)

    @property
    def grant(self) -> str:
        """The same as 0x hex."""
        return "0x" + self.grant_id.hex()

    @property
    def address(self) -> bytes:
        """Its lease key's."""
        return address_of(self.key.public_key.format(compressed=False))

    @property
    def subject(self) -> str:
        """Where its journal goes."""
        return f"journal.{self.drop}.{self.name}.1"

    def clone(self) -> Node:
        """The same key and journal on another box."""
        other = copy(self)
        other.state, other.frames = deepcopy(self.state), list(self.frames)
        return other

    def append(self, kind: Kind, payload: dict[str, object]) -> Frame:
        """One frame more."""
        frame = journal.encode(kind, len(self.frames), payload, self.state.head)
        self.state.apply(frame)
        self.frames.append(frame)
        return frame

    def sell(self, count: int, buyer: int = 0, *, signed: bool = True, issued_at: int = ISSUED_AT) -> int:
        """A batch of claims, each of a wallet of its own from `buyer` on; the batch's number."""
        first = self.state.next_seq[self.lease.tier]
        for n in range(count):
            to = (buyer + first + n + 1).to_bytes(20)
            claim = {"claim_id": f"{self.name}-{buyer}-{first + n}", "tier": self.lease.tier, "seq": first + n}
            self.append(Kind.CLAIM, {**claim, "to": to, "slot": 0, "signature": bytes(65)})
        number = self.state.next_batch
        root = merkle.root([one.leaf(self.grant_id).struct_hash() for one in self.state.waiting])
        self.append(Kind.BATCH, {"batch_seq": number, "root": root, "count": count, "issued_at": issued_at})
        if signed:
            self.sign(number)
        return number

    def sign(self, number: int) -> None:
        """The batch's SIGNATURE frame."""
        hashed = self.digest(number)
        raw = self.key.sign_recoverable(hashed, hasher=None)[:64]
        made = to_rsv(hashed, raw, self.key.public_key.format(compressed=False))
        self.append(Kind.SIGNATURE, {"batch_seq": number, "signature": made})

    def digest(self, number: int) -> bytes:
        """A batch's."""
        domain = Domain(self.chain_id, bytes.fromhex(self.contract.removeprefix("0x")))
        return digest(domain.separator, self.state.batches[number].header.struct_hash())

    def vouchers(self, number: int) -> list[dict[str, Any]]:
        """A batch's vouchers, as `Chain.redeem_many` takes them."""
        batch = self.state.batches[number]
        assert batch.signature is not None
        leaves = [one.leaf(self.grant_id) for one in batch.claims]
        levels = merkle.tree([leaf.struct_hash() for leaf in leaves])
        signed = signed_json(batch.header, batch.signature)
        return [
            signed
            | {
                "token_id": str(self.lease.start + leaf.seq),
                "voucher": {
                    "tier": leaf.tier,
                    "seq": leaf.seq,
                    "to": "0x" + leaf.to.hex(),
                    "claimKey": "0x" + leaf.claim_key.hex(),
                    "slot": leaf.slot,
                    "claimHash": "0x" + leaf.claim_hash.hex(),
                },
                "proof": ["0x" + sibling.hex() for sibling in merkle.proof(levels, at)],
                "price_wei": "0",
            }
            for at, leaf in enumerate(leaves)
        ]

    def ship(self, most: int = 200) -> Iterator[tuple[str, bytes, dict[str, str]]]:
        """The messages of what was not shipped yet."""
        while self.shipped < len(self.frames):
            part = self.frames[self.shipped : self.shipped + most]
            first, last = part[0].seq, part[-1].seq
            headers = {"Edgedrop-First": str(first), "Edgedrop-Last": str(last)}
            headers["Nats-Msg-Id"] = f"{self.grant_id.hex()}:{first}-{last}:{part[-1].head.hex()}"
            yield self.subject, b"".join(frame.raw for frame in part), headers
            self.shipped = last + 1

    def announce(self, owner: bytes) -> Iterator[tuple[str, bytes, dict[str, str]]]:
        """What the stack tells the hub of the drop and this grant."""
        facts = (TierFacts(self.lease.tier, "print", "Print", 0, 2, 0),)
        window = (0, FOREVER, FOREVER)
        told = announcement.DropAnnouncement(
            1, self.drop, "Lights", self.chain_id, self.contract, "0x" + "33" * 32, *window, facts
        )
        yield f"drop.{self.drop}", announcement.sign(told, owner), {}
        named = ("0x" + self.grant_id.hex(), "0x" + self.address.hex())
        grant = announcement.GrantAnnouncement(1, self.drop, self.name, "quay", 1, *named, (self.lease,))
        yield f"drop.{self.drop}.grant.{self.name}", announcement.sign(grant, owner), {}
