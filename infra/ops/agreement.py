"""Do journal, ledger and chain say the same? Pure: what was seen goes in, what differs comes out in sentences.

Per grant (a node's, or the cloud signer's for a node): the ledger stands at the head of its journal and holds as many
claims. Over the drop: what the ledger calls redeemed is what the chain minted, and every voucher is redeemed,
superseded, waits to be paid, or waits for its claim key to name a receiver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from infra.plan.model import CloudGrant, DropPlan, Geography, Node

Holder = Node | CloudGrant


class EpochSaid(msgspec.Struct, frozen=True):
    """A mint's `/v1/status`; what the signer adds is missing while the signer is away."""

    ready: bool
    reason: str = ""
    grant_id: str = ""
    key: str = ""
    head: str = ""
    journal_seq: int | None = None
    issued: Mapping[str, int] = msgspec.field(default_factory=dict)
    left: Mapping[int, int] = msgspec.field(default_factory=dict)  # tokens by tier


class NodeSaid(EpochSaid, frozen=True):
    """The same of the whole node; of one with several epochs it is the newest's, and `epochs` has each one's own."""

    p50_ms: float | None = None
    p99_ms: float | None = None
    epochs: tuple[EpochSaid, ...] = ()

    def of(self, grant_id: str) -> EpochSaid:
        """What is said of one grant; where it says nothing of it, all that it says."""
        return next((one for one in self.epochs if one.grant_id == grant_id), self)


class GrantSaid(msgspec.Struct, frozen=True):
    """One grant as the ledger has it."""

    node: str
    grant_id: str
    journal_seq: int | None
    head: str | None
    vouchers: int
    superseded: int
    unpaid: int
    pending: int = 0  # frozen or revoked, and not proven
    unreceived: int = 0  # for a claim key that named no receiver yet


class LedgerSaid(msgspec.Struct, frozen=True):
    """The ledger's `/v1/drops/<drop>`."""

    grants: tuple[GrantSaid, ...]
    token_ids: frozenset[int]
    redeemed_ids: frozenset[int]
    faults: tuple[Mapping[str, object], ...] = ()
    equivocations: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What each asked place said; None for one that gave no answer, and then `silent` says why."""

    nodes: Mapping[str, NodeSaid | None]
    ledger: LedgerSaid | None
    chain: Mapping[int, str] | None  # redeemed token id -> grant id
    takings: Mapping[int, int] = field(default_factory=dict)  # by tier, in its currency's smallest unit
    silent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GeographyReport:
    """A line of the table; p50 and p99 are those of the slowest node, None before the first claim."""

    geography: str
    title: str
    nodes: int
    reachable: int
    ready: int
    claims: int
    redeemed: int
    p50_ms: float | None
    p99_ms: float | None
    differences: tuple[str, ...]
    unready: Mapping[str, str] = field(default_factory=dict)  # nodes that answer and sell nothing: why, by their word

    @property
    def agree(self) -> bool:
        """Journal = ledger = chain for this geography's grants."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Report:
    """The whole drop; `differences` are those that no single geography has, `takings` by tier in words."""

    drop: str
    stack: str
    geographies: tuple[GeographyReport, ...]
    differences: tuple[str, ...]
    silent: Mapping[str, str]
    takings: Mapping[str, str]

    @property
    def agree(self) -> bool:
        """Everything answered, and everything says the same."""
        return not self.differences and all(geo.agree for geo in self.geographies)


def compare(plan: DropPlan, seen: Seen) -> Report:
    """What the places that were asked make together."""
    return Report(
        drop=plan.drop,
        stack=plan.stack,
        geographies=tuple(_geography(geo, seen) for geo in plan.geographies),
        differences=tuple(_whole(seen)),
        silent=seen.silent,
        takings={plan.tiers[tier].name: plan.amount(plan.tiers[tier], taken) for tier, taken in seen.takings.items()},
    )


def _geography(geo: Geography, seen: Seen) -> GeographyReport:
    named = {node.name: said for node in geo.nodes if (said := seen.nodes.get(node.name)) is not None}
    answers = list(named.values())
    # An elastic spare that is not up was not asked; the ledger tells what it sold. One that is knows its newest epoch.
    up = (node.each()[-1] for node in geo.stood if node.name in seen.nodes)
    asked: tuple[Holder, ...] = (*geo.nodes, *geo.cloud, *up)
    return GeographyReport(
        geography=geo.name,
        title=geo.title,
        nodes=len(geo.nodes),
        reachable=len(answers),
        ready=sum(said.ready for said in answers),
        claims=sum(_claims(one, seen) for holder in geo.holders for one in holder.each()),
        redeemed=len(_minted(geo, seen)),
        p50_ms=max((said.p50_ms for said in answers if said.p50_ms is not None), default=None),
        p99_ms=max((said.p99_ms for said in answers if said.p99_ms is not None), default=None),
        differences=tuple(fault for node in asked for fault in _node(node, seen)),
        unready={name: said.reason for name, said in named.items() if not said.ready},
    )


def _claims(node: Holder, seen: Seen) -> int:
    """Of one grant: by its journal; by the ledger where its signer is silent."""
    answer, held = seen.nodes.get(node.name), _held(node, seen.ledger)
    said = answer and answer.of(node.grant_id)
    if said is not None and said.grant_id == node.grant_id and said.journal_seq is not None:
        return sum(said.issued.values())
    return held.vouchers if held else 0


def _minted(geo: Geography, seen: Seen) -> set[int]:
    grants = {one.grant_id for holder in geo.holders for one in holder.each()}
    return {token for token, grant in (seen.chain or {}).items() if grant in grants}


def _held(node: Holder, ledger: LedgerSaid | None) -> GrantSaid | None:
    return next((grant for grant in ledger.grants if grant.grant_id == node.grant_id), None) if ledger else None


def _node(node: Holder, seen: Seen) -> Iterator[str]:
    said = seen.nodes.get(node.name)
    if said is None:
        yield f"{node.name} does not answer: its journal is unknown"
        return
    each = node.each()
    for one in each:
        named = f"{node.name} (epoch {one.epoch})" if len(each) > 1 else node.name
        yield from _epoch(replace(one, name=named), said.of(one.grant_id), _held(one, seen.ledger), seen)


def _epoch(node: Holder, said: EpochSaid, held: GrantSaid | None, seen: Seen) -> Iterator[str]:
    if said.journal_seq is None:
        yield f"{node.name}'s signer does not answer ({said.reason}): its journal is unknown"
    elif said.grant_id != node.grant_id:
        yield f"{node.name} signs for grant {said.grant_id}, planned is {node.grant_id}"
    elif held is None:
        if seen.ledger is not None and node.leases:
            yield f"the ledger knows no grant of {node.name}"
    else:
        yield from _journal(node, said, held)


def _journal(node: Holder, said: EpochSaid, held: GrantSaid) -> Iterator[str]:
    if said.journal_seq and said.head != held.head:  # the head is over all frames: the same head, the same journal
        yield f"{node.name}'s journal is at frame {said.journal_seq} (head {said.head[:8]}), {_arrived(held)}"
    elif (issued := sum(said.issued.values())) != held.vouchers:
        yield f"{node.name}'s journal has {issued} claims, the ledger {held.vouchers}"


def _arrived(held: GrantSaid) -> str:
    if held.head is None:
        return "the ledger has none of it"
    return f"the ledger is at frame {held.journal_seq} (head {held.head[:8]})"


def _whole(seen: Seen) -> Iterator[str]:
    for place, reason in seen.silent.items():
        if place not in seen.nodes:
            yield f"{place} tells nothing: {reason}"
    ledger, chain = seen.ledger, seen.chain
    if ledger is None:
        return
    if ledger.faults:
        yield f"the ledger refused {len(ledger.faults)} messages, the first: {ledger.faults[0].get('reason')}"
    for twice in ledger.equivocations:
        yield f"{twice.get('node')}'s key signed batch {twice.get('batch_seq')} twice: it was copied"
    if chain is not None:
        yield from _redemptions(ledger, frozenset(chain))


def _redemptions(ledger: LedgerSaid, minted: frozenset[int]) -> Iterator[str]:
    if unknown := minted - ledger.token_ids:
        yield f"the chain minted what the ledger does not hold: {_some(unknown)}"
    if unseen := (minted & ledger.token_ids) - ledger.redeemed_ids:
        yield f"redeemed on chain, and the ledger has not seen it yet: {_some(unseen)}"
    if missing := ledger.redeemed_ids - minted:
        yield f"the ledger calls redeemed what the chain did not mint: {_some(missing)}"
    if pending := sum(grant.pending for grant in ledger.grants):
        yield f"{pending} vouchers of frozen or revoked grants wait for a supplement"
    done = len(minted) + sum(one.superseded + one.unpaid + one.pending + one.unreceived for one in ledger.grants)
    if (waiting := len(ledger.token_ids) - done) > 0:
        yield f"{waiting} vouchers are not redeemed yet"


def _some(tokens: frozenset[int], most: int = 8) -> str:
    listed = ", ".join(str(token) for token in sorted(tokens)[:most])
    return f"tokens {listed}" + (f" and {len(tokens) - most} more" if len(tokens) > most else "")
