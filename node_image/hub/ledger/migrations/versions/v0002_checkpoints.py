"""Checkpoints over batches, and what was signed twice. A batch keeps where the journal stood after its BATCH frame."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

# The nth BATCH frame (kind 4, the byte after the length) is batch n; a frame ends with the head after it.
PLACES = """
ALTER TABLE batches ADD journal_seq bigint, ADD head bytea;
UPDATE batches SET journal_seq = found.journal_seq + 1, head = found.head FROM (
    SELECT grant_id, journal_seq, substring(frame FROM octet_length(frame) - 31) AS head,
        row_number() OVER (PARTITION BY grant_id ORDER BY journal_seq) - 1 AS batch_seq
    FROM frames WHERE get_byte(frame, 4) = 4) AS found
WHERE batches.grant_id = found.grant_id AND batches.batch_seq = found.batch_seq;
ALTER TABLE batches ALTER journal_seq SET NOT NULL, ALTER head SET NOT NULL;
CREATE INDEX ix_vouchers_batch ON vouchers (grant_id, batch_seq, position);
"""
TABLES = """
CREATE TABLE checkpoints (
    grant_id bytea REFERENCES grants, number bigint, first_batch bigint NOT NULL, last_batch bigint NOT NULL,
    root bytea NOT NULL, high_seqs bigint[] NOT NULL, journal_seq bigint NOT NULL, head bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(), anchored_tx text, anchored_block bigint, anchored_at timestamptz,
    PRIMARY KEY (grant_id, number), UNIQUE (grant_id, first_batch));
CREATE TABLE strays (
    grant_id bytea REFERENCES grants, batch_seq bigint, digest bytea, root bytea NOT NULL, count bigint NOT NULL,
    issued_at bigint NOT NULL, signature bytea, PRIMARY KEY (grant_id, batch_seq, digest));
CREATE TABLE equivocations (
    grant_id bytea REFERENCES grants, batch_seq bigint, first jsonb NOT NULL, second jsonb NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(), reported_at timestamptz,
    PRIMARY KEY (grant_id, batch_seq));
"""


def upgrade() -> None:
    """Give the batches their places, make the tables."""
    op.execute(PLACES)
    op.execute(TABLES)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TABLE equivocations, strays, checkpoints")
    op.execute("DROP INDEX ix_vouchers_batch; ALTER TABLE batches DROP journal_seq, DROP head")
