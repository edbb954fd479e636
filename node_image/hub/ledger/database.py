"""PostgreSQL: where it is, and its schema brought up to date."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, Connection, Engine, create_engine, text

MIGRATIONS = Path(__file__).with_name("migrations")
MIGRATING = 0x65646765  # an advisory lock: two ledgers that start together migrate one after the other


class DatabaseSettings(BaseSettings):
    """Shared by the ledger and the relayer."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")

    database_host: str
    database_port: int = 5432
    database_name: str = "edgedrop"
    database_user: str = "edgedrop"
    db_secret_file: Path

    def engine(self) -> Engine:
        """Connections are checked before use, so a restarted database is met by a new one."""
        password = self.db_secret_file.read_text().strip()
        place = {"host": self.database_host, "port": self.database_port, "database": self.database_name}
        url = URL.create("postgresql+psycopg", self.database_user, password, **place)  # type: ignore[arg-type]
        return create_engine(url, pool_pre_ping=True, pool_size=4, connect_args={"connect_timeout": 5})


def migrate(engine: Engine, revision: str = "head") -> None:
    """Every migration up to this one that is still missing, in one transaction."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
        command.upgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
