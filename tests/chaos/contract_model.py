"""The contract's rules once more, in Python and without a chain: what each call must come to.

A refusal is the name of the contract's error; a call that goes through is the reasons of its items (none for an act).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from node_image.hub.reading import Status
from node_image.hub.redemption import Reason
from tests.e2e.contract_world import COINS, TIERS

Range = tuple[int, int, int, int]  # start, quota, not before, redeem by


@dataclass
class Grant:
    """What the contract keeps of one."""

    key: int
    by_operator: bool
    leases: dict[int, Range]
    status: Status = Status.OPEN
    closed: bool = False
    covered: dict[int, int] = field(default_factory=dict)
    roots: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Item:
    """One voucher as the model sees it; `batch_ok` says that the grant's key signed it, `root` what it is proven by."""

    grant: str
    tier: int
    seq: int
    slot: int
    to: str
    batch_ok: bool = True
    in_batch: bool = True
    root: bytes | None = None
    claim_key: str = ""  # its Receive names `to`; an empty `to` is no Receive


@dataclass
class Model:
    """All that the contract knows, and the chain's time."""

    now: int
    coins: dict[str, int]  # what each payer allowed and has
    grants: dict[str, Grant] = field(default_factory=dict)
    leased: set[int] = field(default_factory=set)
    operator_leased: dict[int, int] = field(default_factory=dict)
    minted: dict[int, str] = field(default_factory=dict)
    nullifiers: set[object] = field(default_factory=set)
    nonces: set[tuple[int, int]] = field(default_factory=set)
    takings: dict[int, int] = field(default_factory=dict)

    # ---- acts

    def open(self, grant: str, key: int, leases: Sequence[tuple[int, Range]], *, by_operator: bool) -> str:
        """Nothing, or the error's name."""
        if grant in self.grants:
            return "AlreadyOpen"
        taken, counted, held = set[int](), dict(self.operator_leased), dict[int, Range]()
        for tier, (start, quota, begin, end) in leases:
            spec = TIERS[tier]
            inside = spec.first_token <= start and start + quota <= spec.first_token + spec.supply
            if quota == 0 or begin >= end or not inside or tier in held:
                return "BadLease"
            counted[tier] = counted.get(tier, 0) + quota * by_operator
            if by_operator and (quota > spec.max_lease or counted[tier] > spec.operator_cap):
                return "Ceiling"
            tokens = set(range(start, start + quota))
            if tokens & (self.leased | taken):
                return "Overlap"
            taken |= tokens
            held[tier] = (start, quota, begin, end)
        self.leased |= taken
        self.operator_leased = counted
        self.grants[grant] = Grant(key, by_operator, held)
        return ""

    def authorize(self, holders: Sequence[int], needed: int, nonce: int, deadline: int) -> str:
        """Whether these holders may, in this order."""
        if self.now > deadline:
            return "Expired"
        if len(holders) < needed:
            return "TooFewHolders"
        used: set[tuple[int, int]] = set()
        for at, holder in enumerate(holders):
            if at and holder <= holders[at - 1]:
                return "BadHolders"
            if (holder, nonce) in self.nonces:
                return "NonceUsed"
            used.add((holder, nonce))
        self.nonces |= used
        return ""

    def status(self, grant: str) -> Status:
        """None where it was never opened."""
        return self.grants[grant].status if grant in self.grants else Status.NONE

    def freeze(self, grant: str) -> str:
        """By a holder or by evidence."""
        if self.status(grant) not in {Status.OPEN, Status.CLOSED}:
            return "WrongStatus"
        self.grants[grant].status = Status.FROZEN
        return ""

    def revoke(self, grant: str) -> str:
        """For good."""
        if self.status(grant) in {Status.NONE, Status.REVOKED}:
            return "WrongStatus"
        self.grants[grant].status = Status.REVOKED
        return ""

    def unfreeze(self, grant: str) -> str:
        """Never to more than it was."""
        if self.status(grant) is not Status.FROZEN:
            return "WrongStatus"
        held = self.grants[grant]
        held.status = Status.CLOSED if held.closed else Status.OPEN
        return ""

    def anchor(self, grant: str, root: bytes, highs: Sequence[int], *, supplement: bool = False) -> str:
        """A checkpoint, or a supplement of the holders."""
        status = self.status(grant)
        if status is Status.NONE or (not supplement and status is not Status.OPEN):
            return "WrongStatus"
        held = self.grants[grant]
        if any(high > held.leases.get(tier, (0, 0, 0, 0))[1] for tier, high in enumerate(highs)):
            return "BadHigh"
        held.roots.add(root)
        held.covered = {tier: max(high, held.covered.get(tier, 0)) for tier, high in enumerate(highs)}
        return ""

    def close(self, grant: str, highs: Sequence[int]) -> str:
        """The lease key's and the hub's."""
        if self.status(grant) is not Status.OPEN:
            return "WrongStatus"
        held = self.grants[grant]
        for tier, high in enumerate(highs):
            if not held.covered.get(tier, 0) <= high <= held.leases.get(tier, (0, 0, 0, 0))[1]:
                return "BadHigh"
        for tier, high in enumerate(highs):
            if tier in held.leases:
                self._cut(held, tier, high, set())
        held.status, held.closed = Status.CLOSED, True
        return ""

    def reclaim(self, grant: str, tier: int, from_seq: int) -> str:
        """A revoked remainder."""
        if self.status(grant) is not Status.REVOKED:
            return "WrongStatus"
        held = self.grants[grant]
        start, quota, _, end = held.leases.get(tier, (0, 0, 0, 0))
        if self.now <= end:
            return "NotYet"
        if not held.covered.get(tier, 0) <= from_seq < quota:
            return "BadHigh"
        self._cut(held, tier, from_seq, {id_ for id_ in self.minted if start + from_seq <= id_ < start + quota})
        return ""

    def mint_lost(self, grant: str, tier: int, seq: int, to: str) -> str:
        """One lost token."""
        held = self.grants.get(grant)
        start, quota, _, end = (held.leases if held else {}).get(tier, (0, 0, 0, 0))
        if self.now <= end:
            return "NotYet"
        if seq >= quota:
            return "BadLost"
        if start + seq in self.minted:
            return "TokenAlreadyExists"
        self.minted[start + seq] = to
        return ""

    def _cut(self, held: Grant, tier: int, high: int, kept: set[int]) -> None:
        start, quota, begin, end = held.leases[tier]
        freed = set(range(start + high, start + quota)) - kept
        self.leased -= freed
        held.leases[tier] = (start, high, begin, end)
        if held.by_operator:
            self.operator_leased[tier] -= len(freed)

    # ---- redeeming

    def redeem(self, items: Sequence[Item], payer: str, wei: int) -> list[Reason]:
        """One call, whose caller sends so much ether."""
        told = []
        for item in items:
            reason = self._redeem(item, payer, wei)
            told.append(reason)
            if reason is Reason.NONE and item.tier != COINS:
                wei -= TIERS[item.tier].price_wei
        return told

    def _redeem(self, item: Item, payer: str, wei: int) -> Reason:
        held = self.grants.get(item.grant)
        lease = held.leases.get(item.tier) if held else None
        if held is None or lease is None or item.seq >= lease[1]:
            return Reason.NO_LEASE
        if reason := self._refused(item, held, lease):
            return reason
        spec, token = TIERS[item.tier], lease[0] + item.seq
        nullifier: object = item.claim_key or (item.tier, item.to, item.slot)
        for refused, reason in (
            (item.slot >= spec.wallet_cap, Reason.BAD_SLOT),
            (nullifier in self.nullifiers, Reason.NULLIFIER_USED),
            (token in self.minted, Reason.TOKEN_TAKEN),
        ):
            if refused:
                return reason
        if spec.price_wei > (self.coins.get(payer, 0) if item.tier == COINS else wei):
            return Reason.UNPAID
        if item.tier == COINS:
            self.coins[payer] -= spec.price_wei
        self.takings[item.tier] = self.takings.get(item.tier, 0) + spec.price_wei
        self.nullifiers.add(nullifier)
        self.minted[token] = item.to
        return Reason.NONE

    def _refused(self, item: Item, held: Grant, lease: Range) -> Reason:
        if not item.batch_ok:
            return Reason.BAD_BATCH
        if held.status in {Status.FROZEN, Status.REVOKED} and item.root not in held.roots:
            return Reason.UNPROVEN
        if self.now < lease[2]:
            return Reason.TOO_EARLY
        if self.now > lease[3]:
            return Reason.TOO_LATE
        if not item.to:
            return Reason.BAD_RECEIVER
        return Reason.NONE if item.in_batch else Reason.NOT_IN_BATCH
