"""What the ledger tells of anchors: a batch's proof, and what a supplement would add."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from sqlalchemy import Connection, Row, func, select

from node_image.hub.ledger import checkpoints as points
from node_image.hub.ledger.tables import batches, checkpoints, grants, heads, vouchers
from node_image.protocol import merkle


def known(connection: Connection, grant_id: bytes) -> bool:
    """Whether such a grant was announced."""
    return connection.execute(select(grants.c.grant_id).where(grants.c.grant_id == grant_id)).first() is not None


def anchor_of(connection: Connection, grant_id: bytes, batch_seq: int) -> dict[str, Any] | None:
    """Where the batch is anchored, with its proof; None when it is not yet."""
    found = points.anchored_over(connection, grant_id, batch_seq)
    if found is None:
        return None
    proof = merkle.proof(points.levels_of(connection, found), batch_seq - found.first_batch)
    return {
        "root": "0x" + found.root.hex(),
        "proof": ["0x" + sibling.hex() for sibling in proof],
        "number": found.number,
        "tx": found.anchored_tx,
        "block": found.anchored_block,
        "anchored_at": int(found.anchored_at.timestamp()),
        "timestamp": found.timestamp and b64encode(found.timestamp).decode(),
    }


def supplement_of(connection: Connection, grant_id: bytes) -> dict[str, Any]:
    """The roots that are not on chain, in one unbroken chain after the last anchored head, and what each covers."""
    mine = checkpoints.c.grant_id == grant_id
    rows = connection.execute(select(checkpoints).where(mine).order_by(checkpoints.c.number)).all()
    anchored = [row for row in rows if row.anchored_at is not None]
    last = anchored[-1] if anchored else None
    after = [row for row in rows if row.anchored_at is None]
    head = connection.execute(select(heads.c.journal_seq, heads.c.head).where(heads.c.grant_id == grant_id)).first()
    return {
        "grant_id": "0x" + grant_id.hex(),
        "anchored": last and {"number": last.number, "last_batch": last.last_batch, **_place(last)},
        "roots": ["0x" + row.root.hex() for row in after],
        "high_seqs": list(after[-1].high_seqs) if after else [],
        "covers": [_cover(connection, row) for row in after],
        "uncovered_batches": _uncovered(connection, grant_id, rows[-1].last_batch if rows else -1),
        "journal": head and _place(head),
    }


def _cover(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    inside = (vouchers.c.grant_id == row.grant_id) & vouchers.c.batch_seq.between(row.first_batch, row.last_batch)
    number = connection.execute(select(func.count()).select_from(vouchers).where(inside)).scalar_one()
    span = {"number": row.number, "first_batch": row.first_batch, "last_batch": row.last_batch, "vouchers": number}
    return {**span, "root": "0x" + row.root.hex(), "high_seqs": list(row.high_seqs), **_place(row)}


def _uncovered(connection: Connection, grant_id: bytes, last_batch: int) -> int:
    """Batches that the ledger holds and no checkpoint covers yet: of a journal that is still coming in."""
    mine = (batches.c.grant_id == grant_id) & (batches.c.batch_seq > last_batch)
    return connection.execute(select(func.count()).select_from(batches).where(mine)).scalar_one()


def _place(row: Any) -> dict[str, Any]:
    return {"journal_seq": row.journal_seq, "head": "0x" + row.head.hex()}
