"""The ledger's tables, as the newest migration leaves them. Hashes and keys are bytes, token ids are numbers."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    Column("journal_seq", BigInteger, nullable=False),  # frames up to and with its BATCH frame
    Column("head", LargeBinary, nullable=False),  # the chain's head after them
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
    Column("claim_key", LargeBinary, nullable=False),  # zero where it is for a wallet
    Column("receiver", LargeBinary),  # whom the claim key named, with its signature
    Column("receive_signature", LargeBinary),
    Column("slot", Integer, nullable=False),
    Column("claim_hash", LargeBinary, nullable=False),
    Column("claim_id", Text, nullable=False),
    Column("nullifier", LargeBinary, nullable=False, index=True),  # not unique: a claim answered twice has it twice
    Column("batch_seq", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),  # the leaf's place in its batch: proofs are made from these
    Column("leaf", LargeBinary, nullable=False),
    Column("status", Text, nullable=False, index=True),  # queries.STATES
    Column("reason", Text),
    Column("tx", Text),
    UniqueConstraint("grant_id", "tier", "seq"),
    Index("ix_vouchers_batch", "grant_id", "batch_seq", "position"),
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

# Roots over whole, verified, signed batches, each grant's from its first batch on without a gap.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("grant_id", LargeBinary, ForeignKey("grants.grant_id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("first_batch", BigInteger, nullable=False),
    Column("last_batch", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("high_seqs", ARRAY(BigInteger), nullable=False),  # by tier: every seq below is covered
    Column("journal_seq", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column(
        "anchored_tx", Text
    ),  # null with `anchored_at` set: the chain has the root, by a transaction we did not find
    Column("anchored_block", BigInteger),
    Column("anchored_at", DateTime(timezone=True)),
    Column("timestamp", LargeBinary),  # an RFC 3161 reply over the root, DER
    UniqueConstraint("grant_id", "first_batch"),
    Index("ix_checkpoints_unstamped", "anchored_at", postgresql_where=text("timestamp IS NULL")),
)

# Batches seen on the bus or on chain that are not the ledger's of that number.
strays = Table(
    "strays",
    metadata,
    Column("grant_id", LargeBinary, ForeignKey("grants.grant_id"), primary_key=True),
    Column("batch_seq", BigInteger, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("signature", LargeBinary),
)

# Two batches of one number, both signed: `{"batch": {..}, "signature": ".."}` as in a voucher.
equivocations = Table(
    "equivocations",
    metadata,
    Column("grant_id", LargeBinary, ForeignKey("grants.grant_id"), primary_key=True),
    Column("batch_seq", BigInteger, primary_key=True),
    Column("first", JSONB, nullable=False),
    Column("second", JSONB, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("reported_at", DateTime(timezone=True)),  # from then on the chain has the grant frozen
)

# The control side's audit trail (node_image/protocol/trail.py), each line as its owner signed it.
audit = Table(
    "audit",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at", Text, nullable=False),
    Column("stack", Text, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Column("arrived_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
