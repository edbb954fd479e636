"""The first ledger. `tests/e2e/test_ledger.py` checks that the migrations together give `tables.py`."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE drops (
    drop text PRIMARY KEY, title text NOT NULL, chain_id bigint NOT NULL, contract text NOT NULL, facts jsonb NOT NULL,
    scanned_block bigint NOT NULL DEFAULT 0);
CREATE TABLE grants (
    grant_id bytea PRIMARY KEY, drop text NOT NULL REFERENCES drops, node text NOT NULL, geo text NOT NULL,
    epoch integer NOT NULL, key bytea NOT NULL, leases jsonb NOT NULL, UNIQUE (drop, node, epoch));
CREATE TABLE heads (
    grant_id bytea PRIMARY KEY REFERENCES grants, journal_seq bigint NOT NULL, head bytea NOT NULL);
CREATE TABLE frames (
    grant_id bytea REFERENCES grants, journal_seq bigint, frame bytea NOT NULL, PRIMARY KEY (grant_id, journal_seq));
CREATE TABLE batches (
    grant_id bytea REFERENCES grants, batch_seq bigint, root bytea NOT NULL, count integer NOT NULL,
    issued_at bigint NOT NULL, signature bytea, PRIMARY KEY (grant_id, batch_seq));
CREATE TABLE vouchers (
    drop text REFERENCES drops, token_id numeric(78, 0), grant_id bytea NOT NULL REFERENCES grants,
    tier integer NOT NULL, seq bigint NOT NULL, "to" bytea NOT NULL, claim_key bytea NOT NULL, slot integer NOT NULL,
    claim_hash bytea NOT NULL, claim_id text NOT NULL, nullifier bytea NOT NULL, batch_seq bigint NOT NULL,
    position integer NOT NULL, leaf bytea NOT NULL, status text NOT NULL, reason text, tx text,
    PRIMARY KEY (drop, token_id), UNIQUE (grant_id, tier, seq));
CREATE INDEX ix_vouchers_nullifier ON vouchers (nullifier);
CREATE INDEX ix_vouchers_status ON vouchers (status);
CREATE TABLE faults (
    id bigserial PRIMARY KEY, grant_id bytea, subject text NOT NULL, stream_seq bigint NOT NULL, reason text NOT NULL,
    data bytea NOT NULL, at timestamptz NOT NULL DEFAULT now(), UNIQUE (subject, stream_seq));
CREATE INDEX ix_faults_grant_id ON faults (grant_id);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop them, what refers to others first."""
    op.execute("DROP TABLE faults, vouchers, batches, frames, heads, grants, drops")
