"""The ledger's HTTP face: reads only."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from node_image.hub.ledger import anchors
from node_image.hub.ledger.queries import all_drops, audit_digests, one_drop, voucher_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine
    from starlette.requests import Request

TIER_MAX, SEQ_MAX = 2**31 - 1, 2**63 - 1  # what the tables hold
STACK_HINT = "is its stack up? `edgedrop status` says"


def routes(engine: Engine) -> list[Route]:
    """Drops, anchors, supplements, and how far a voucher is (docs/architecture.md)."""
    ledger = _Ledger(engine)
    return [
        Route("/v1/drops", ledger.drops),
        Route("/v1/drops/{drop}", ledger.drop),
        Route("/v1/anchors/{grant_id}/{batch_seq:int}", ledger.anchor),
        Route("/v1/supplement/{grant_id}", ledger.supplement),
        Route("/v1/audit", ledger.audit),
        Route("/v1/vouchers/{grant_id}/{tier:int}/{seq:int}", ledger.voucher),
    ]


class _Ledger:
    """What it holds, as HTTP asks for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def drops(self, _: Request) -> Response:
        return JSONResponse({"drops": await self._read(all_drops)})

    async def drop(self, request: Request) -> Response:
        name = request.path_params["drop"]
        found = await self._read(lambda connection: one_drop(connection, name))
        return JSONResponse(found) if found is not None else _unknown(name)

    async def anchor(self, request: Request) -> Response:
        grant_id, number = _grant_id(request), request.path_params["batch_seq"]
        if grant_id is None or not await self._read(lambda connection: anchors.known(connection, grant_id)):
            return _unknown_grant(request)
        if number > SEQ_MAX:
            return _not_anchored(number)
        found = await self._read(lambda connection: anchors.anchor_of(connection, grant_id, number))
        return JSONResponse(found) if found is not None else _not_anchored(number)

    async def supplement(self, request: Request) -> Response:
        grant_id = _grant_id(request)
        if grant_id is None or not await self._read(lambda connection: anchors.known(connection, grant_id)):
            return _unknown_grant(request)
        return JSONResponse(await self._read(lambda connection: anchors.supplement_of(connection, grant_id)))

    async def voucher(self, request: Request) -> Response:
        told, grant_id = request.path_params, _grant_id(request)
        where = (grant_id or b"", min(told["tier"], TIER_MAX), min(told["seq"], SEQ_MAX))
        found = await self._read(lambda connection: voucher_of(connection, *where))
        return JSONResponse(found) if found is not None else _no_voucher()

    async def audit(self, _: Request) -> Response:
        return JSONResponse({"digests": await self._read(audit_digests)})

    async def _read(self, query: Callable[[Connection], Any]) -> Any:
        def run() -> Any:
            with self._engine.connect() as connection:
                return query(connection)

        return await asyncio.to_thread(run)


def _grant_id(request: Request) -> bytes | None:
    """32 bytes as hex, with or without 0x."""
    text = str(request.path_params["grant_id"]).removeprefix("0x")
    return bytes.fromhex(text) if re.fullmatch("[0-9a-fA-F]{64}", text) else None


def _no_voucher() -> Response:
    return _not_found("not_found", "no such voucher has arrived", "its journal comes when its node is back")


def _unknown(name: str) -> Response:
    return _not_found("not_found", f"no announcement of drop {name!r} has arrived", STACK_HINT)


def _unknown_grant(request: Request) -> Response:
    name = request.path_params["grant_id"]
    return _not_found("not_found", f"no announcement of a grant {name!r} has arrived", STACK_HINT)


def _not_anchored(number: int) -> Response:
    hint = "the next checkpoint takes it; of a frozen or revoked grant it waits for `edgedrop supplement`"
    return _not_found("not_anchored", f"batch {number}: not yet anchored", hint)


def _not_found(code: str, message: str, hint: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "hint": hint}}, status_code=404)
