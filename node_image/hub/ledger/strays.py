"""Batches that are not the ledger's: kept, and where the grant's key signed two of one number, kept as evidence.

A stray comes from a message of a forked journal, or from a redemption on chain. Whatever order two batches of one
number come in, and whichever of them the ledger believes, the second one's signature makes the equivocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from node_image.hub.ledger import evidence
from node_image.hub.ledger.follow import Grant
from node_image.hub.ledger.tables import batches, drops, equivocations, grants, strays
from node_image.protocol.eip712 import Batch, digest
from node_image.protocol.frames import Signed

MAX_OF_NUMBER = 16  # a stranger on the bus may send headers without end; what he can't do is sign them
MAX_OF_GRANT = 10_000


def watch(connection: Connection, grant: Grant, data: bytes) -> list[int]:
    """Take what a message that did not verify holds; the numbers of batches that are now known to be signed twice."""
    found = evidence.read(grant.grant_id, data)
    for header in found.headers:
        _keep(connection, grant, header)
    for signed in found.signatures:
        _sign(connection, grant, signed)
    return compare(connection, grant, {signed.batch_seq for signed in found.signatures})


def watch_signed(connection: Connection, grant: Grant, found: Sequence[tuple[Batch, bytes]]) -> list[int]:
    """The same of batches that come with their signatures."""
    for header, signature in found:
        _keep(connection, grant, header)
        _sign(connection, grant, Signed(header.batch_seq, signature))
    return compare(connection, grant, {header.batch_seq for header, _ in found})


def compare(connection: Connection, grant: Grant, numbers: Iterable[int]) -> list[int]:
    """Write an equivocation for each of these numbers that the key signed two batches of; those newly written."""
    new = []
    for number in sorted(numbers):
        signed = {
            _digest(grant, batch): (batch, signature)
            for batch, signature in _variants(connection, grant, number)
            if signature is not None
        }
        if len(signed) > 1:
            first, second = (evidence.signed_json(*one) for one in list(signed.values())[:2])
            row = insert(equivocations).values(grant_id=grant.grant_id, batch_seq=number, first=first, second=second)
            if connection.execute(row.on_conflict_do_nothing()).rowcount:
                new.append(number)
    return new


def forget(connection: Connection, grant: Grant, numbers: Iterable[int]) -> None:
    """Strays that turned out to be the ledger's own: they came before their place in the journal did."""
    own = select(batches.c.batch_seq).where(
        (batches.c.grant_id == strays.c.grant_id)
        & (batches.c.batch_seq == strays.c.batch_seq)
        & (batches.c.root == strays.c.root)
        & (batches.c.count == strays.c.count)
        & (batches.c.issued_at == strays.c.issued_at)
    )
    mine = (strays.c.grant_id == grant.grant_id) & strays.c.batch_seq.in_(list(numbers))
    connection.execute(delete(strays).where(mine & own.exists()))


def any_of(connection: Connection, grant: Grant) -> bool:
    """Whether strays of this grant were ever seen: else no new batch need be compared with them."""
    return connection.execute(select(strays.c.grant_id).where(strays.c.grant_id == grant.grant_id)).first() is not None


@dataclass(frozen=True, slots=True)
class Report:
    """An equivocation to be shown to the chain; batches with signatures as in a voucher."""

    drop: str
    contract: str
    grant_id: bytes
    batch_seq: int
    first: Mapping[str, Any]
    second: Mapping[str, Any]


def unreported(connection: Connection) -> list[Report]:
    """Oldest first."""
    query = (
        select(equivocations, grants.c.drop, drops.c.contract)
        .join(grants, grants.c.grant_id == equivocations.c.grant_id)
        .join(drops, drops.c.drop == grants.c.drop)
        .where(equivocations.c.reported_at.is_(None))
        .order_by(equivocations.c.seen_at)
    )
    return [
        Report(row.drop, row.contract, row.grant_id, row.batch_seq, row.first, row.second)
        for row in connection.execute(query)
    ]


def write_reported(connection: Connection, report: Report) -> None:
    """The grant is frozen, by us or already."""
    mine = (equivocations.c.grant_id == report.grant_id) & (equivocations.c.batch_seq == report.batch_seq)
    connection.execute(update(equivocations).where(mine).values(reported_at=func.now()))


def _keep(connection: Connection, grant: Grant, header: Batch) -> None:
    """A header that is not the ledger's, within bounds."""
    named = _digest(grant, header)
    known = _variants(connection, grant, header.batch_seq)
    if len(known) > MAX_OF_NUMBER or any(_digest(grant, batch) == named for batch, _ in known):
        return
    mine = strays.c.grant_id == grant.grant_id
    if connection.execute(select(func.count()).where(mine)).scalar_one() >= MAX_OF_GRANT:
        return
    fields = {"root": header.root, "count": header.count, "issued_at": header.issued_at}
    connection.execute(
        insert(strays).values(grant_id=grant.grant_id, batch_seq=header.batch_seq, digest=named, **fields)
    )


def _sign(connection: Connection, grant: Grant, told: Signed) -> None:
    """Put a signature to the one batch it is of: a stray, or one of the ledger's own that still waits for it."""
    for batch, signature in _variants(connection, grant, told.batch_seq):
        if signature is None and evidence.signs(grant.separator, grant.key, batch, told.signature):
            for table in (batches, strays):
                mine = (table.c.grant_id == grant.grant_id) & (table.c.batch_seq == told.batch_seq)
                same = (table.c.root == batch.root) & (table.c.issued_at == batch.issued_at)
                same &= (table.c.count == batch.count) & table.c.signature.is_(None)
                connection.execute(update(table).where(mine & same).values(signature=told.signature))
            return


def _variants(connection: Connection, grant: Grant, number: int) -> list[tuple[Batch, bytes | None]]:
    """All batches of this number that were seen, the ledger's own first."""
    found: list[tuple[Batch, bytes | None]] = []
    for table in (batches, strays):
        mine = (table.c.grant_id == grant.grant_id) & (table.c.batch_seq == number)
        columns = (table.c.batch_seq, table.c.root, table.c.count, table.c.issued_at, table.c.signature)
        rows: Sequence[Any] = connection.execute(select(*columns).where(mine)).all()
        found += [(Batch(grant.grant_id, *row[:4]), row[4]) for row in rows]
    return found


def _digest(grant: Grant, batch: Batch) -> bytes:
    return digest(grant.separator, batch.struct_hash())
