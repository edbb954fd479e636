"""What the ledger tells others: one drop, or all, as plain data."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from node_image.hub.ledger.tables import audit, drops, equivocations, faults, frames, grants, heads, vouchers
from node_image.protocol.frames import Kind
from node_image.protocol.journal import kind_of

# `pending`: its grant is frozen or revoked, and no anchored root proves its batch yet.
# `unreceived`: its claim key has named no receiver yet.
STATES = ("issued", "pending", "redeemed", "superseded", "unpaid", "unreceived", "failed")


def all_drops(connection: Connection) -> list[dict[str, Any]]:
    """Every drop announced, with counts over its grants."""
    by_drop = _counts(connection, vouchers.c.drop)
    rows = connection.execute(select(drops.c.drop, drops.c.title, drops.c.contract).order_by(drops.c.drop))
    return [
        {"drop": row.drop, "title": row.title, "contract": row.contract, **_tally(by_drop, row.drop)} for row in rows
    ]


def one_drop(connection: Connection, drop: str) -> dict[str, Any] | None:
    """Its grants, token ids and redeemed ids (decimal strings, as in a voucher), and what was refused."""
    if connection.execute(select(drops.c.drop).where(drops.c.drop == drop)).first() is None:
        return None
    ids = connection.execute(
        select(vouchers.c.token_id, vouchers.c.status).where(vouchers.c.drop == drop).order_by(vouchers.c.token_id)
    ).all()
    return {
        "drop": drop,
        "grants": _grants(connection, drop),
        "token_ids": [str(int(row.token_id)) for row in ids],
        "redeemed_ids": [str(int(row.token_id)) for row in ids if row.status == "redeemed"],
        "faults": _faults(connection, drop),
        "equivocations": _equivocations(connection, drop),
    }


def voucher_of(connection: Connection, grant_id: bytes, tier: int, seq: int) -> dict[str, Any] | None:
    """How far a voucher is, and the transaction that redeemed it: what a receipt carries of it."""
    mine = (vouchers.c.grant_id == grant_id) & (vouchers.c.tier == tier) & (vouchers.c.seq == seq)
    row = connection.execute(select(vouchers.c.status, vouchers.c.tx).where(mine)).first()
    if row is None:
        return None
    return {"status": row.status, "tx": row.tx if row.status == "redeemed" else None}


def count_faults(connection: Connection) -> int:
    """Messages refused and waiting for a person."""
    return connection.execute(select(func.count()).select_from(faults)).scalar_one()


def _grants(connection: Connection, drop: str) -> list[dict[str, Any]]:
    counts = _counts(connection, vouchers.c.grant_id, vouchers.c.drop == drop)
    last = (frames.c.grant_id == grants.c.grant_id) & (frames.c.journal_seq == heads.c.journal_seq - 1)
    query = (
        select(grants, heads.c.journal_seq, heads.c.head, frames.c.frame)
        .outerjoin(heads, heads.c.grant_id == grants.c.grant_id)
        .outerjoin(frames, last)
        .where(grants.c.drop == drop)
        .order_by(grants.c.geo, grants.c.node, grants.c.epoch)
    )
    return [
        {
            "node": row.node,
            "geo": row.geo,
            "epoch": row.epoch,
            "grant_id": "0x" + row.grant_id.hex(),
            "journal_seq": row.journal_seq,  # null: nothing of this grant has arrived yet
            "head": row.head and row.head.hex(),
            "closed": row.frame is not None and kind_of(row.frame) is Kind.CLOSE,  # nothing follows that frame
            **_tally(counts, row.grant_id),
        }
        for row in connection.execute(query)
    ]


def audit_digests(connection: Connection) -> list[str]:
    """The lines of the audit trail that it holds, oldest first."""
    return list(connection.execute(select(audit.c.digest).order_by(audit.c.number, audit.c.digest)).scalars())


def _counts(connection: Connection, key: Any, *where: Any) -> dict[Any, dict[str, int]]:
    found: dict[Any, dict[str, int]] = {}
    query = select(key, vouchers.c.status, func.count()).where(*where).group_by(key, vouchers.c.status)
    for group, status, number in connection.execute(query):
        found.setdefault(group, {})[status] = number
    return found


def _tally(counts: dict[Any, dict[str, int]], key: Any) -> dict[str, int]:
    mine = counts.get(key, {})
    return {"vouchers": sum(mine.values()), **{state: mine.get(state, 0) for state in STATES}}


def _faults(connection: Connection, drop: str) -> list[dict[str, Any]]:
    """Of this drop's subjects, `journal.<drop>.<node>.<epoch>` and `drop.<drop>...`."""
    parts = func.split_part(faults.c.subject, ".", 2)
    query = select(faults.c.subject, faults.c.stream_seq, faults.c.reason, faults.c.at).where(parts == drop)
    rows = connection.execute(query.order_by(faults.c.id)).mappings()
    return [{**row, "at": int(row["at"].timestamp())} for row in rows]


def _equivocations(connection: Connection, drop: str) -> list[dict[str, Any]]:
    """Batches that a key of this drop signed twice, both signed headers with them."""
    query = (
        select(equivocations, grants.c.node, grants.c.epoch)
        .join(grants, grants.c.grant_id == equivocations.c.grant_id)
        .where(grants.c.drop == drop)
        .order_by(equivocations.c.seen_at)
    )
    return [
        {
            "grant_id": "0x" + row.grant_id.hex(),
            "node": row.node,
            "epoch": row.epoch,
            "batch_seq": row.batch_seq,
            "first": row.first,
            "second": row.second,
            "seen_at": int(row.seen_at.timestamp()),
            "reported_at": row.reported_at and int(row.reported_at.timestamp()),
        }
        for row in connection.execute(query)
    ]
