"""The ledger's tables, as the newest migration leaves them. Hashes and keys are bytes, token ids are numbers."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

drops = Table(
    "drops",
    metadata,
    Column("drop", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("contract", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("scanned_block", BigInteger, nullable=False, server_default="0"),  # the relayer has read events up to here
)

grants = Table(
    "grants",
    metadata,
    Column("grant_id", LargeBinary, primary_key=True),
    Column("drop", Text, ForeignKey("drops.drop"), nullable=False),
    Column("node", Text, nullable=False),
    Column("geo", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("leases", JSONB, nullable=False),
    UniqueConstraint("drop", "node", "epoch"),
)

heads = Table(
    "heads",
    metadata,
    Column("grant_id", LargeBinary, ForeignKey("grants.grant_id"), primary_key=True),
    Column("journal_seq", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
)

frames = Table(
    "frames",
    metadata,
    Column("grant_id", LargeBinary, ForeignKey("grants.grant_id"), primary_key=True),
    Column("journal_seq", BigInteger, primary_key=True),
    Column("frame", LargeBinary, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("grant_id", LargeBinary, ForeignKey("grants.grant_id"), primary_key=True),
    Column("batch_seq", BigInteger, primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("signature", LargeBinary),
)

vouchers = Table(
    "vouchers",
    metadata,
    Column("drop", Text, ForeignKey("drops.drop"), primary_key=True),
    Column("token_id", Numeric(78, 0), primary_key=True),
    Column("grant_id", LargeBinary, ForeignKey("grants.grant_id"), nullable=False),
    Column("tier", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("to", LargeBinary, nullable=False),
    Column("claim_key", LargeBinary, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("claim_hash", LargeBinary, nullable=False),
    Column("claim_id", Text, nullable=False),
    Column("nullifier", LargeBinary, nullable=False, index=True),  # not unique: a claim answered twice has it twice
    Column("batch_seq", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),  # the leaf's place in its batch: proofs are made from these
    Column("leaf", LargeBinary, nullable=False),
    Column("status", Text, nullable=False, index=True),  # issued | redeemed | superseded | unpaid | failed
    Column("reason", Text),
    Column("tx", Text),
    UniqueConstraint("grant_id", "tier", "seq"),
)

faults = Table(
    "faults",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("grant_id", LargeBinary, index=True),  # null: a message that names no grant we know
    Column("subject", Text, nullable=False),
    Column("stream_seq", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("subject", "stream_seq"),
)
