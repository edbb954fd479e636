"""Checkpoints: Merkle roots over the digests of a grant's batches, in order and without a gap, to be anchored on chain.

The ledger writes a batch only with all its leaves, its root recomputed, its count matched and the chain verified, and
its signature only where it is the grant's; so a checkpoint takes whole, signed batches from the tables, nothing else.
Once made it never changes: its root may already be on chain, or under a holder's pen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert

from node_image.hub.ledger.tables import batches, checkpoints, drops, grants, vouchers
from node_image.hub.redemption import Place
from node_image.protocol import merkle
from node_image.protocol.eip712 import Batch, Domain, digest


@dataclass(frozen=True, slots=True)
class Pace:
    """A checkpoint is due `every_s` after the one before, or as soon as `most` batches wait; it takes no more."""

    every_s: float
    most: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One that is not anchored yet, with where it is to go."""

    drop: str
    contract: str
    grant_id: bytes
    number: int
    root: bytes
    high_seqs: tuple[int, ...]


def due(connection: Connection, pace: Pace, *, stacking: frozenset[bytes]) -> list[bytes]:
    """Grants whose next checkpoint is due.

    One that still waits for the chain holds the next back, so that after an outage one root covers all; but not of the
    `stacking` grants, which the chain no longer takes roots of from us: theirs are for the holders to add.
    """
    covered = (
        select(
            checkpoints.c.grant_id,
            func.max(checkpoints.c.last_batch).label("last_batch"),
            func.max(checkpoints.c.made_at).label("made_at"),
            func.bool_or(checkpoints.c.anchored_at.is_(None)).label("waits"),
        )
        .group_by(checkpoints.c.grant_id)
        .subquery()
    )
    # A look at the index for each grant; counting would read all batches ever made, at every round.
    newest = select(func.max(batches.c.batch_seq)).where(batches.c.grant_id == grants.c.grant_id).scalar_subquery()
    behind = (newest - func.coalesce(covered.c.last_batch, -1)).label("behind")
    query = (
        select(grants.c.grant_id, covered.c.made_at, covered.c.waits, behind)
        .outerjoin(covered, covered.c.grant_id == grants.c.grant_id)
        .where(behind > 0)
    )
    before = datetime.now(UTC) - timedelta(seconds=pace.every_s)
    return [
        row.grant_id
        for row in connection.execute(query)
        if (row.grant_id in stacking or not row.waits)
        and (row.made_at is None or row.made_at < before or row.behind >= pace.most)
    ]


def make(connection: Connection, grant_id: bytes, most: int) -> int | None:
    """The grant's next checkpoint, over its signed batches since the last one; its number, None when there are none."""
    before = select(checkpoints).where(checkpoints.c.grant_id == grant_id).order_by(checkpoints.c.number.desc())
    last = connection.execute(before.limit(1)).first()
    number, first = (last.number + 1, last.last_batch + 1) if last else (0, 0)
    whole = _signed_in_order(connection, grant_id, first, most)
    if not whole:
        return None
    end = whole[-1]
    connection.execute(
        insert(checkpoints).values(
            grant_id=grant_id,
            number=number,
            first_batch=first,
            last_batch=end.batch_seq,
            root=merkle.root(_digests(connection, grant_id, whole)),
            high_seqs=_high_seqs(connection, grant_id, first, end.batch_seq, last.high_seqs if last else ()),
            journal_seq=end.journal_seq,
            head=end.head,
        )
    )
    return number


def waiting(connection: Connection) -> list[Checkpoint]:
    """Checkpoints that are not anchored, oldest first."""
    query = (
        select(checkpoints, grants.c.drop, drops.c.contract)
        .join(grants, grants.c.grant_id == checkpoints.c.grant_id)
        .join(drops, drops.c.drop == grants.c.drop)
        .where(checkpoints.c.anchored_at.is_(None))
        .order_by(checkpoints.c.made_at, checkpoints.c.grant_id, checkpoints.c.number)
    )
    return [
        Checkpoint(row.drop, row.contract, row.grant_id, row.number, row.root, tuple(row.high_seqs))
        for row in connection.execute(query)
    ]


def write_anchored(connection: Connection, checkpoint: Checkpoint, place: Place | None) -> None:
    """The chain has its root; by a transaction that it doesn't tell of any more, where there is no place."""
    mine = (checkpoints.c.grant_id == checkpoint.grant_id) & (checkpoints.c.number == checkpoint.number)
    values: dict[str, Any] = {"anchored_at": func.now()}
    if place is not None:
        at = datetime.fromtimestamp(place.at, UTC)
        values = {"anchored_tx": place.tx, "anchored_block": place.block, "anchored_at": at}
    connection.execute(update(checkpoints).where(mine & checkpoints.c.anchored_at.is_(None)).values(**values))


def unstamped(connection: Connection, most: int) -> list[tuple[bytes, int, bytes]]:
    """Anchored ones without a timestamp (grant, number, root), the newest first: their buyers look."""
    query = select(checkpoints.c.grant_id, checkpoints.c.number, checkpoints.c.root)
    wanting = checkpoints.c.anchored_at.is_not(None) & checkpoints.c.timestamp.is_(None)
    rows = connection.execute(query.where(wanting).order_by(checkpoints.c.anchored_at.desc()).limit(most))
    return [(row.grant_id, row.number, row.root) for row in rows]


def write_stamp(connection: Connection, grant_id: bytes, number: int, reply: bytes) -> None:
    """The authority's reply over its root; the first one stays."""
    mine = (checkpoints.c.grant_id == grant_id) & (checkpoints.c.number == number)
    connection.execute(update(checkpoints).where(mine & checkpoints.c.timestamp.is_(None)).values(timestamp=reply))


def anchored_over(connection: Connection, grant_id: bytes, batch_seq: int) -> Row[Any] | None:
    """The anchored checkpoint that covers a batch."""
    covers = (checkpoints.c.first_batch <= batch_seq) & (checkpoints.c.last_batch >= batch_seq)
    query = select(checkpoints).where((checkpoints.c.grant_id == grant_id) & covers)
    return connection.execute(query.where(checkpoints.c.anchored_at.is_not(None))).first()


def levels_of(connection: Connection, checkpoint: Row[Any]) -> list[list[bytes]]:
    """The Merkle tree of a checkpoint; the leaf of a batch stands at its number less the first one's."""
    inside = batches.c.batch_seq.between(checkpoint.first_batch, checkpoint.last_batch)
    mine = (batches.c.grant_id == checkpoint.grant_id) & inside
    rows = connection.execute(select(batches).where(mine).order_by(batches.c.batch_seq)).all()
    return merkle.tree(_digests(connection, checkpoint.grant_id, rows))


def _signed_in_order(connection: Connection, grant_id: bytes, first: int, most: int) -> list[Row[Any]]:
    """Batches from `first` on, up to one that is missing or not signed yet."""
    mine = (batches.c.grant_id == grant_id) & batches.c.batch_seq.between(first, first + most - 1)
    whole: list[Row[Any]] = []
    for row in connection.execute(select(batches).where(mine).order_by(batches.c.batch_seq)):
        if row.signature is None or row.batch_seq != first + len(whole):
            break
        whole.append(row)
    return whole


def _digests(connection: Connection, grant_id: bytes, rows: Sequence[Row[Any]]) -> list[bytes]:
    query = select(drops.c.chain_id, drops.c.contract).join(grants, grants.c.drop == drops.c.drop)
    drop = connection.execute(query.where(grants.c.grant_id == grant_id)).one()
    separator = Domain(drop.chain_id, bytes.fromhex(drop.contract.removeprefix("0x"))).separator
    headers = [Batch(grant_id, one["batch_seq"], one["root"], one["count"], one["issued_at"]) for one in _maps(rows)]
    return [digest(separator, header.struct_hash()) for header in headers]


def _maps(rows: Sequence[Row[Any]]) -> list[RowMapping]:
    """By name in brackets: `row.count` would be a tuple's method to the type checker."""
    return [row._mapping for row in rows]  # noqa: SLF001  public, in spite of its underscore


def _high_seqs(connection: Connection, grant_id: bytes, first: int, last: int, before: Sequence[int]) -> list[int]:
    """By tier of the drop, the seq after the highest that the batches up to `last` gave; 0 where they gave none."""
    inside = (vouchers.c.grant_id == grant_id) & vouchers.c.batch_seq.between(first, last)
    query = select(vouchers.c.tier, func.max(vouchers.c.seq) + 1).where(inside).group_by(vouchers.c.tier)
    given = {row[0]: row[1] for row in connection.execute(query)}
    facts = select(drops.c.facts).join(grants, grants.c.drop == drops.c.drop).where(grants.c.grant_id == grant_id)
    tiers = connection.execute(facts).scalar_one()["tiers"]
    return [max([given.get(tier, 0), *before[tier : tier + 1]]) for tier in range(len(tiers))]
