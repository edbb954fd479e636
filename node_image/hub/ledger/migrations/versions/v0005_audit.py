"""The control side's audit trail, a row a line."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make room for it."""
    op.execute(
        "CREATE TABLE audit (digest text PRIMARY KEY, number bigint NOT NULL, at text NOT NULL, stack text NOT NULL,"
        " line bytea NOT NULL, arrived_at timestamptz NOT NULL DEFAULT now())"
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE audit")
