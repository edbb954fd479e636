"""The hub as a witness: how much of a grant's journal it holds, signed, to whoever asks on `witness.<drop>.<node>`."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from nats.aio.client import Client
from nats.aio.msg import Msg
from sqlalchemy import Connection, Engine, func, select

from node_image.hub.ledger.tables import batches, faults, grants, heads
from node_image.protocol import witness
from node_image.protocol.errors import NotVerified
from node_image.protocol.journal import NO_HEAD
from node_image.protocol.witness import Question, Statement
from node_image.service import log

SUBJECTS = "witness.*.*"


async def answer_all(client: Client, engine: Engine, private_pem: bytes) -> None:
    """Every question, for ever."""
    asked = await client.subscribe(SUBJECTS)
    async for message in asked.messages:
        if message.reply:
            await message.respond(await asyncio.to_thread(partial(_answer, engine, private_pem, message)))


def _answer(engine: Engine, private_pem: bytes, message: Msg) -> bytes:
    _, drop, node = message.subject.split(".")
    try:
        question = witness.read_question(message.data)
    except NotVerified as fault:
        return witness.refuse("bad_question", str(fault))
    with engine.connect() as connection:
        told = statement(connection, drop, node, question)
    if isinstance(told, Statement):
        return witness.sign(told, private_pem)
    log("witness refuses", level="warning", drop=drop, node=node, reason=told.message)
    return witness.refuse(told.code, told.message)


def statement(connection: Connection, drop: str, node: str, question: Question) -> Statement | witness.Refusal:
    """What the ledger holds of the grant. Of a forked journal it can't say which of the two is the newest."""
    named = bytes.fromhex(question.grant_id[2:])
    newest = select(func.max(batches.c.batch_seq)).where(batches.c.grant_id == named).scalar_subquery()
    fault = select(faults.c.reason).where(faults.c.grant_id == named).order_by(faults.c.id).limit(1).scalar_subquery()
    row = connection.execute(
        select(heads.c.journal_seq, heads.c.head, newest.label("newest"), fault.label("fault"))
        .select_from(grants.outerjoin(heads, heads.c.grant_id == grants.c.grant_id))
        .where((grants.c.grant_id == named) & (grants.c.drop == drop) & (grants.c.node == node))
    ).first()
    if row is None:
        return witness.Refusal("unknown", f"no such grant of {node} was announced")
    if row.fault is not None:
        return witness.Refusal("quarantined", f"its journal is in quarantine: {row.fault}")
    return Statement(
        schema=1,
        witness=witness.HUB,
        grant_id=question.grant_id,
        nonce=question.nonce,
        journal_seq=row.journal_seq or 0,
        next_batch=0 if row.newest is None else row.newest + 1,
        head="0x" + (row.head or NO_HEAD).hex(),
        at_ms=time.time_ns() // 1_000_000,
    )
