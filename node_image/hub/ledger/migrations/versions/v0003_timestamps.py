"""What a timestamp authority answered over an anchored checkpoint's root (RFC 3161, DER); null: nobody did yet."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make room for it, and an index over those that still want one."""
    op.execute("ALTER TABLE checkpoints ADD timestamp bytea")
    op.execute("CREATE INDEX ix_checkpoints_unstamped ON checkpoints (anchored_at) WHERE timestamp IS NULL")


def downgrade() -> None:
    """Drop it, and the index with it."""
    op.execute("ALTER TABLE checkpoints DROP timestamp")
