"""Whom a voucher's claim key named, with the key's signature; null: nobody yet, or the voucher is for a wallet."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make room for both."""
    op.execute("ALTER TABLE vouchers ADD receiver bytea, ADD receive_signature bytea")


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE vouchers DROP receiver, DROP receive_signature")
