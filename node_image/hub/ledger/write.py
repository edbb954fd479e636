"""What the ledger writes, each call one transaction; whatever comes twice is written once."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import msgspec
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from node_image.hub.ledger.follow import Follower, Grant
from node_image.hub.ledger.tables import audit, batches, drops, faults, frames, grants, heads, vouchers
from node_image.protocol import frames as told_in
from node_image.protocol import trail
from node_image.protocol.announcement import DropAnnouncement, GrantAnnouncement
from node_image.protocol.eip712 import Domain
from node_image.protocol.frames import NO_ADDRESS
from node_image.protocol.hexes import unhex
from node_image.protocol.journal import BatchRecord, ClaimRecord, Frame, nullifier
from node_image.protocol.trail import Entry


def write_drop(connection: Connection, told: DropAnnouncement) -> None:
    """A drop, as announced last."""
    values = {"title": told.title, "chain_id": told.chain_id, "contract": told.contract}
    values["facts"] = msgspec.to_builtins(told)
    row = insert(drops).values(drop=told.drop, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["drop"], set_=values))


def write_grant(connection: Connection, told: GrantAnnouncement) -> None:
    """A grant; it is what it is for ever, so a second announcement changes nothing."""
    row = insert(grants).values(
        grant_id=unhex(told.grant_id),
        drop=told.drop,
        node=told.node,
        geo=told.geo,
        epoch=told.epoch,
        key=unhex(told.key),
        leases=msgspec.to_builtins(told.leases),
    )
    connection.execute(row.on_conflict_do_nothing())


def write_audit(connection: Connection, entry: Entry, line: bytes) -> None:
    """A line of the audit trail, once: it is known by its hash."""
    row = insert(audit).values(
        digest=trail.digest(line), number=entry.number, at=entry.at, stack=entry.stack, line=line
    )
    connection.execute(row.on_conflict_do_nothing())


def read_grants(connection: Connection) -> dict[str, Grant]:
    """Every grant announced, by its journal's subject."""
    query = select(grants, drops.c.chain_id, drops.c.contract, drops.c.facts)
    query = query.join(drops, drops.c.drop == grants.c.drop)
    return {
        f"journal.{row.drop}.{row.node}.{row.epoch}": Grant(
            drop=row.drop,
            grant_id=row.grant_id,
            key=row.key,
            separator=Domain(row.chain_id, unhex(row.contract)).separator,
            prices={tier["tier"]: tier["price_wei"] for tier in row.facts["tiers"]},
            starts={lease["tier"]: lease["start"] for lease in row.leases},
        )
        for row in connection.execute(query)
    }


def read_follower(connection: Connection, grant: Grant) -> Follower:
    """The follower of a grant where the ledger stands, from the frames it holds."""
    query = select(frames.c.frame).where(frames.c.grant_id == grant.grant_id).order_by(frames.c.journal_seq)
    follower = Follower(grant)
    follower.take(0, b"".join(connection.execute(query).scalars()))
    return follower


def write_frames(connection: Connection, follower: Follower, new: tuple[Frame, ...]) -> None:
    """New frames with what they mean: vouchers, batches, signatures, the head."""
    grant = follower.grant
    if not new:
        return
    rows = [{"grant_id": grant.grant_id, "journal_seq": frame.seq, "frame": frame.raw} for frame in new]
    connection.execute(insert(frames), rows)
    for frame in new:
        match frame.told:
            case told_in.Header(batch_seq=number):
                _write_batch(connection, grant, follower.state.batches[number], frame)
            case told_in.Signed(batch_seq=number, signature=signature):
                mine = (batches.c.grant_id == grant.grant_id) & (batches.c.batch_seq == number)
                unsigned = mine & batches.c.signature.is_(None)
                connection.execute(update(batches).where(unsigned).values(signature=signature))
            case told_in.Receive() as told:
                _write_receiver(connection, grant, follower.state.claims[told.claim_id], told)
    head = {"journal_seq": new[-1].seq + 1, "head": new[-1].head}
    row = insert(heads).values(grant_id=grant.grant_id, **head)
    connection.execute(row.on_conflict_do_update(index_elements=["grant_id"], set_=head))


def in_quarantine(connection: Connection, grant: Grant) -> bool:
    """Whether something of this grant did not verify: then nothing more of it is believed."""
    return connection.execute(select(faults.c.id).where(faults.c.grant_id == grant.grant_id)).first() is not None


@dataclass(frozen=True, slots=True)
class Fault:
    """A message that did not verify, kept for a person to look at."""

    grant_id: bytes
    subject: str
    stream_seq: int
    reason: str
    data: bytes


def write_fault(connection: Connection, fault: Fault) -> None:
    """Put the grant into quarantine: nothing more of it is believed until a person looks."""
    connection.execute(insert(faults).values(**asdict(fault)).on_conflict_do_nothing())


def _write_batch(connection: Connection, grant: Grant, batch: BatchRecord, frame: Frame) -> None:
    header = batch.header
    connection.execute(
        insert(batches).values(
            grant_id=grant.grant_id,
            batch_seq=header.batch_seq,
            root=header.root,
            count=header.count,
            issued_at=header.issued_at,
            journal_seq=frame.seq + 1,
            head=frame.head,
        )
    )
    connection.execute(insert(vouchers), [_voucher(grant, claim) for claim in batch.claims])


def _write_receiver(connection: Connection, grant: Grant, claim: ClaimRecord, told: told_in.Receive) -> None:
    """With a receiver the voucher of a claim key goes the way of any other."""
    mine = (vouchers.c.drop == grant.drop) & (vouchers.c.token_id == grant.starts[claim.tier] + claim.seq)
    named = {"receiver": told.receiver, "receive_signature": told.signature}
    connection.execute(update(vouchers).where(mine).values(**named))
    connection.execute(update(vouchers).where(mine & (vouchers.c.status == "unreceived")).values(status="issued"))


def _status(grant: Grant, claim: ClaimRecord) -> str:
    if grant.prices[claim.tier]:
        return "unpaid"
    return "issued" if claim.claim_key == NO_ADDRESS else "unreceived"


def _voucher(grant: Grant, claim: ClaimRecord) -> dict[str, object]:
    """A row; its nullifier is what the chain takes once: tier, wallet and slot, or the claim key."""
    once = nullifier(claim)
    leaf = claim.leaf(grant.grant_id)
    return {
        "drop": grant.drop,
        "token_id": grant.starts[claim.tier] + claim.seq,
        "grant_id": grant.grant_id,
        "tier": claim.tier,
        "seq": claim.seq,
        "to": claim.to,
        "claim_key": leaf.claim_key,
        "slot": claim.slot,
        "claim_hash": leaf.claim_hash,
        "claim_id": claim.claim_id,
        "nullifier": once if isinstance(once, bytes) else bytes([claim.tier]) + claim.to + bytes([claim.slot]),
        "batch_seq": claim.batch_seq,
        "position": claim.index,
        "leaf": leaf.struct_hash(),
        "status": _status(grant, claim),
    }
