"""The ledger's ground on real parts: its streams on a NATS server, its schema on PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nats
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from nats.js.errors import APIError
from sqlalchemy import Engine, create_engine, text

from node_image.hub.ledger import queries
from node_image.hub.ledger.database import migrate
from node_image.hub.ledger.streams import ensure
from node_image.hub.ledger.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = Path(os.environ.get("EDGEDROP_CACHE") or Path.home() / ".cache" / "edgedrop")
NATS = CACHE / "bin" / "nats-server"
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    if not NATS.exists():
        pytest.skip("no nats-server in the cache: make setup")
    port = free_port()
    server = subprocess.Popen([NATS, "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", tmp_path])
    yield f"nats://127.0.0.1:{port}"
    server.kill()
    server.wait()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A server of its own; PostgreSQL refuses to run as root, so it runs as its own user where we are root."""
    if POSTGRES is None:
        pytest.skip("no PostgreSQL binaries here")
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder, port = tempfile.mkdtemp(prefix="edgedrop-pg-"), free_port()
    if user:
        shutil.chown(folder, "postgres")
    control = [*user, str(POSTGRES / "pg_ctl"), "-D", f"{folder}/d", "-w", "-l", f"{folder}/log"]
    run = {"cwd": "/", "stdout": subprocess.DEVNULL}
    subprocess.run(
        [*user, POSTGRES / "initdb", "-D", f"{folder}/d", "-A", "trust", "-U", "edgedrop"],
        check=True,
        **run,
    )  # type: ignore[call-overload]
    subprocess.run([*control, "-o", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1", "start"], check=True, **run)  # type: ignore[call-overload]
    made = create_engine(f"postgresql+psycopg://edgedrop@127.0.0.1:{port}/postgres")
    yield made
    made.dispose()
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, **run)  # type: ignore[call-overload]
    shutil.rmtree(folder)


def test_migrations_give_the_tables_and_a_second_run_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_drop_is_told_grant_by_grant(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO drops VALUES ('d', 'D', 1, '0x0', '{}')"))
        connection.execute(text("INSERT INTO grants VALUES ('\\x01', 'd', 'quay-spare1', 'quay', 1, '\\x02', '[]')"))
        for token, status in ((17, "issued"), (18, "redeemed")):
            values = f"'d', {token}, '\\x01', 0, {token}, '', '', 0, '', 'c', '', 1, 0, '', '{status}'"
            connection.execute(text(f"INSERT INTO vouchers VALUES ({values})"))  # noqa: S608  its own constants
        told = queries.one_drop(connection, "d")
        unknown = queries.one_drop(connection, "e")
    assert told is not None
    assert unknown is None
    assert (told["token_ids"], told["redeemed_ids"]) == (["17", "18"], ["18"])
    grant = told["grants"][0]
    assert (grant["vouchers"], grant["issued"], grant["redeemed"], grant["journal_seq"]) == (2, 1, 1, None)


def test_streams_are_made_once_and_leases_keep_the_newest(bus: str) -> None:
    async def scenario() -> tuple[int, bytes]:
        client = await nats.connect(bus)
        jetstream = client.jetstream()
        await ensure(jetstream)
        await ensure(jetstream)
        for body in (b"old", b"new"):
            await jetstream.publish("lease.d.quay-spare1", body)
        info = await jetstream.stream_info("LEASES")
        last = await jetstream.get_last_msg("LEASES", "lease.d.quay-spare1")
        with pytest.raises((APIError, nats.errors.Error)):
            await jetstream.publish("lease.too.many.parts", b"", timeout=1)
        await client.close()
        return info.state.messages, last.data or b""

    assert asyncio.run(scenario()) == (1, b"new")
