"""The ledger's ground on real parts: its streams on a NATS server, its schema on PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import nats
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from coincurve import PrivateKey
from nats.js.errors import APIError
from sqlalchemy import Engine, text

from node_image.hub.ledger import queries
from node_image.hub.ledger.database import migrate
from node_image.hub.ledger.streams import ensure
from node_image.hub.ledger.tables import metadata
from node_image.protocol.journal import Kind
from node_image.protocol.lease import Lease
from tests.e2e.hub_world import missing, nats_server, postgres
from tests.e2e.journal_node import FOREVER, Node

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    with nats_server(tmp_path) as url:
        yield url


@pytest.fixture
def engine() -> Iterator[Engine]:
    with postgres() as made:
        yield made


def test_migrations_give_the_tables_and_a_second_run_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_batches_of_an_older_ledger_get_their_places(engine: Engine) -> None:
    """What a ledger of version 1 holds says where each batch's header stood: its frames do."""
    node = Node("d", "quay-spare1", "0x" + "11" * 20, Lease(0, 1, 9, 0, FOREVER), PrivateKey(b"\1" * 32))
    for _ in range(2):
        node.sell(2)
    headers = [frame for frame in node.frames if frame.kind is Kind.BATCH]
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO drops VALUES ('d', 'D', 1, '0x0', '{}')"))
        connection.execute(text("INSERT INTO grants VALUES ('\\x01', 'd', 'quay-spare1', 'quay', 1, '\\x02', '[]')"))
        for frame in node.frames:
            row = {"seq": frame.seq, "frame": frame.raw}
            connection.execute(text("INSERT INTO frames VALUES ('\\x01', :seq, :frame)"), row)
        for number in range(2):
            connection.execute(text(f"INSERT INTO batches VALUES ('\\x01', {number}, '', 2, 0, NULL)"))  # noqa: S608
    migrate(engine)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT journal_seq, head FROM batches ORDER BY batch_seq")).all()
    assert [tuple(row) for row in rows] == [(frame.seq + 1, frame.head) for frame in headers]


def test_a_drop_is_told_grant_by_grant(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO drops VALUES ('d', 'D', 1, '0x0', '{}')"))
        connection.execute(text("INSERT INTO grants VALUES ('\\x01', 'd', 'quay-spare1', 'quay', 1, '\\x02', '[]')"))
        for token, status in ((17, "issued"), (18, "redeemed")):
            values = f"'d', {token}, '\\x01', 0, {token}, '', '', 0, '', 'c', '', 1, 0, '', '{status}'"
            connection.execute(text(f"INSERT INTO vouchers VALUES ({values})"))  # noqa: S608  its own constants
        told = queries.one_drop(connection, "d")
        connection.execute(text("UPDATE vouchers SET tx = '0xaa'"))
        found = [queries.voucher_of(connection, b"\x01", 0, seq) for seq in (17, 18, 19)]
        unknown = queries.one_drop(connection, "e")
    assert told is not None
    assert unknown is None
    assert found == [{"status": "issued", "tx": None}, {"status": "redeemed", "tx": "0xaa"}, None]
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
        await jetstream.publish("lease.d.quay-spare1.2", b"its next epoch's")
        info = await jetstream.stream_info("LEASES")
        last = await jetstream.get_last_msg("LEASES", "lease.d.quay-spare1")
        with pytest.raises((APIError, nats.errors.Error)):
            await jetstream.publish("lease.far.too.many.parts", b"", timeout=1)
        await client.close()
        return info.state.messages, last.data or b""

    assert asyncio.run(scenario()) == (2, b"new")
