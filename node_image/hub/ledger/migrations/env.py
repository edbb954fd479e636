"""Alembic's way in: the connection comes from `database.migrate`, never from an ini file."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
