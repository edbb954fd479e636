"""What is to be redeemed, read from the ledger, and what came of it, written there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from node_image.hub.ledger.tables import batches, drops, vouchers
from node_image.hub.redemption import Outcome, Reason, Redemption
from node_image.protocol import merkle

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
    """At most one call's free vouchers whose batch is signed, as `Chain.redeem_many` takes them; oldest batch first."""
    same = (batches.c.grant_id == vouchers.c.grant_id) & (batches.c.batch_seq == vouchers.c.batch_seq)
    query = (
        select(vouchers, batches.c.root, batches.c.count, batches.c.issued_at, batches.c.signature)
        .join(batches, same)
        .where((vouchers.c.drop == drop.name) & (vouchers.c.status == "issued") & batches.c.signature.is_not(None))
        .order_by(batches.c.issued_at, vouchers.c.grant_id, vouchers.c.batch_seq, vouchers.c.position)
        .limit(CALL)
    )
    rows = connection.execute(query).all()
    trees = _trees(connection, {(row.grant_id, row.batch_seq) for row in rows})
    return [_voucher(row, trees[row.grant_id, row.batch_seq]) for row in rows]


def write_outcome(connection: Connection, drop: Drop, sent: list[dict[str, Any]], outcome: Outcome) -> None:
    """Redeemed, superseded (its buyer has the same nullifier's other token), or failed with the chain's reason."""
    write_redemptions(connection, drop, outcome.redeemed)
    for skip in outcome.skipped:
        status = "superseded" if skip.reason is Reason.NULLIFIER_USED else "failed"
        _mark(connection, drop, int(sent[skip.item]["token_id"]), status, outcome.tx, skip.reason.name.lower())


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
    return {
        "token_id": str(int(row.token_id)),
        "voucher": leaf | holder | {"claimHash": "0x" + row.claim_hash.hex()},
        "proof": ["0x" + sibling.hex() for sibling in merkle.proof(levels, row.position)],
        "batch": {"grantId": grant} | header,
        "signature": "0x" + row.signature.hex(),
        "price_wei": "0",
    }
