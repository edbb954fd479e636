"""What is to be redeemed, read from the ledger, and what came of it, written there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select, update

from node_image.hub.ledger import strays, write
from node_image.hub.ledger.checkpoints import anchored_over, levels_of
from node_image.hub.ledger.tables import batches, checkpoints, drops, vouchers
from node_image.hub.redemption import Outcome, Reason, Redemption
from node_image.protocol import merkle
from node_image.protocol.eip712 import Batch
from node_image.protocol.hexes import unhex

CALL = 50  # vouchers a call: 58.8k gas a token there, and a block has room for it


@dataclass(frozen=True, slots=True)
class Drop:
    """A drop's contract, and the block up to which its events are read."""

    name: str
    contract: str
    scanned: int


def read_drops(connection: Connection) -> list[Drop]:
    """All drops announced."""
    query = select(drops.c.drop, drops.c.contract, drops.c.scanned_block).order_by(drops.c.drop)
    return [Drop(row.drop, row.contract, row.scanned_block) for row in connection.execute(query)]


def read_issued(connection: Connection, drop: Drop) -> list[dict[str, Any]]:
    """At most one call's free vouchers whose batch is signed and who gains by them known, oldest batch first."""
    query = _signed(drop).where(vouchers.c.status == "issued").limit(CALL)
    return _vouchers(connection, connection.execute(query).all())


def read_pending_grants(connection: Connection, drop: Drop) -> set[bytes]:
    """Grants that vouchers wait of because they were frozen or revoked."""
    mine = (vouchers.c.drop == drop.name) & (vouchers.c.status == "pending")
    return set(connection.execute(select(vouchers.c.grant_id).where(mine).distinct()).scalars())


def read_proven(connection: Connection, drop: Drop, grants: Collection[bytes]) -> list[dict[str, Any]]:
    """At most one call's pending vouchers of these grants that an anchored root proves, each with its `checkpoint`."""
    covers = (checkpoints.c.grant_id == vouchers.c.grant_id) & vouchers.c.batch_seq.between(
        checkpoints.c.first_batch, checkpoints.c.last_batch
    )
    query = (
        _signed(drop)
        .add_columns(checkpoints.c.number)
        .join(checkpoints, covers)
        .where((vouchers.c.status == "pending") & checkpoints.c.anchored_at.is_not(None))
        .where(vouchers.c.grant_id.in_(grants))
        .limit(CALL)
    )
    rows = connection.execute(query).all()
    points = {(row.grant_id, row.number): anchored_over(connection, row.grant_id, row.batch_seq) for row in rows}
    trees = {name: levels_of(connection, point) for name, point in points.items() if point is not None}
    found = _vouchers(connection, rows)
    for row, voucher in zip(rows, found, strict=True):
        point, levels = points[row.grant_id, row.number], trees[row.grant_id, row.number]
        proof = merkle.proof(levels, row.batch_seq - point.first_batch) if point else []
        voucher["checkpoint"] = {"root": "0x" + levels[-1][0].hex(), "proof": ["0x" + one.hex() for one in proof]}
    return found


def watch(connection: Connection, found: Sequence[tuple[Batch, bytes]]) -> None:
    """Batches that somebody redeemed from; one that is not the ledger's of its number is kept, and may be evidence."""
    grants = {grant.grant_id: grant for grant in write.read_grants(connection).values()}
    for batch, signature in found:
        if (grant := grants.get(batch.grant_id)) is not None:
            strays.watch_signed(connection, grant, [(batch, signature)])


def write_held(connection: Connection, drop: Drop, grants: Collection[bytes]) -> None:
    """What is issued of frozen or revoked grants is pending."""
    _move(connection, drop, grants, "issued", "pending")


def write_let_go(connection: Connection, drop: Drop, grants: Collection[bytes]) -> None:
    """What is pending of grants that were unfrozen is issued as before."""
    _move(connection, drop, grants, "pending", "issued")


def write_outcome(connection: Connection, drop: Drop, sent: Sequence[Mapping[str, Any]], outcome: Outcome) -> None:
    """Redeemed, superseded (its buyer has the same nullifier's other token), or failed with the chain's reason.

    Unproven is no failure: the grant was frozen in between, or a reorg took the root, which must then be anchored anew.
    """
    write_redemptions(connection, drop, outcome.redeemed)
    for skip in outcome.skipped:
        voucher, reason = sent[skip.item], skip.reason.name.lower()
        status = _AFTER.get(skip.reason, "failed")
        _mark(connection, drop, int(voucher["token_id"]), status, outcome.tx, reason)
        if skip.reason is Reason.UNPROVEN and "checkpoint" in voucher:
            _unanchor(connection, voucher)


_AFTER = {Reason.NULLIFIER_USED: "superseded", Reason.UNPROVEN: "pending"}


def write_redemptions(connection: Connection, drop: Drop, found: Iterable[Redemption]) -> None:
    """What the chain says is redeemed is redeemed, whoever submitted it."""
    for one in found:
        _mark(connection, drop, one.token_id, "redeemed", one.tx, None)


def write_scanned(connection: Connection, drop: Drop, block: int) -> None:
    """Events are read up to here."""
    connection.execute(update(drops).where(drops.c.drop == drop.name).values(scanned_block=block))


def _mark(connection: Connection, drop: Drop, token_id: int, status: str, tx: str, reason: str | None) -> None:
    """A voucher that is redeemed stays so."""
    mine = (vouchers.c.drop == drop.name) & (vouchers.c.token_id == token_id) & (vouchers.c.status != "redeemed")
    connection.execute(update(vouchers).where(mine).values(status=status, tx=tx, reason=reason))


def _move(connection: Connection, drop: Drop, grants: Collection[bytes], status: str, to: str) -> None:
    if grants:
        mine = (vouchers.c.drop == drop.name) & vouchers.c.grant_id.in_(grants) & (vouchers.c.status == status)
        connection.execute(update(vouchers).where(mine).values(status=to))


def _unanchor(connection: Connection, voucher: Mapping[str, Any]) -> None:
    root = (checkpoints.c.root == unhex(voucher["checkpoint"]["root"])) & checkpoints.c.anchored_at.is_not(None)
    mine = root & (checkpoints.c.grant_id == unhex(voucher["batch"]["grantId"]))
    values = {"anchored_tx": None, "anchored_block": None, "anchored_at": None}
    connection.execute(update(checkpoints).where(mine).values(**values))


def _signed(drop: Drop) -> Select[Any]:
    """The drop's vouchers whose batch is signed, with the batch, oldest first."""
    same = (batches.c.grant_id == vouchers.c.grant_id) & (batches.c.batch_seq == vouchers.c.batch_seq)
    return (
        select(vouchers, batches.c.root, batches.c.count, batches.c.issued_at, batches.c.signature)
        .join(batches, same)
        .where((vouchers.c.drop == drop.name) & batches.c.signature.is_not(None))
        .order_by(batches.c.issued_at, vouchers.c.grant_id, vouchers.c.batch_seq, vouchers.c.position)
    )


def _vouchers(connection: Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    trees = _trees(connection, {(row.grant_id, row.batch_seq) for row in rows})
    return [_voucher(row, trees[row.grant_id, row.batch_seq]) for row in rows]


def _trees(connection: Connection, wanted: set[tuple[bytes, int]]) -> dict[tuple[bytes, int], list[list[bytes]]]:
    """The Merkle trees of these batches, from the leaves the ledger holds."""
    leaves: dict[tuple[bytes, int], list[bytes]] = defaultdict(list)
    for grant_id, batch_seq in wanted:
        mine = (vouchers.c.grant_id == grant_id) & (vouchers.c.batch_seq == batch_seq)
        query = select(vouchers.c.leaf).where(mine).order_by(vouchers.c.position)
        leaves[grant_id, batch_seq] = list(connection.execute(query).scalars())
    return {batch: merkle.tree(found) for batch, found in leaves.items()}


def _voucher(row: Any, levels: list[list[bytes]]) -> dict[str, Any]:
    """docs/architecture.md: a Voucher, as far as the chain needs it."""
    grant = "0x" + row.grant_id.hex()
    header = {"batchSeq": row.batch_seq, "root": "0x" + row.root.hex(), "count": row.count, "issuedAt": row.issued_at}
    leaf = {"grantId": grant, "tier": row.tier, "seq": row.seq, "slot": row.slot}
    holder = {"to": "0x" + row.to.hex(), "claimKey": "0x" + row.claim_key.hex()}
    named = {}
    if row.receiver is not None:
        named["receive"] = {"receiver": "0x" + row.receiver.hex(), "signature": "0x" + row.receive_signature.hex()}
    return named | {
        "token_id": str(int(row.token_id)),
        "voucher": leaf | holder | {"claimHash": "0x" + row.claim_hash.hex()},
        "proof": ["0x" + sibling.hex() for sibling in merkle.proof(levels, row.position)],
        "batch": {"grantId": grant} | header,
        "signature": "0x" + row.signature.hex(),
        "price_wei": "0",
    }
