"""The ledger's HTTP face: reads only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from node_image.hub.ledger.queries import all_drops, one_drop

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine
    from starlette.requests import Request


def routes(engine: Engine) -> list[Route]:
    """`/v1/drops` and `/v1/drops/<drop>` (docs/architecture.md)."""

    async def drops(_: Request) -> Response:
        return JSONResponse({"drops": await read(all_drops)})

    async def drop(request: Request) -> Response:
        name = request.path_params["drop"]
        found = await read(lambda connection: one_drop(connection, name))
        return JSONResponse(found) if found is not None else _unknown(name)

    async def read(query: Callable[[Connection], Any]) -> Any:
        def run() -> Any:
            with engine.connect() as connection:
                return query(connection)

        return await asyncio.to_thread(run)

    return [Route("/v1/drops", drops), Route("/v1/drops/{drop}", drop)]


def _unknown(name: str) -> Response:
    message = f"no announcement of drop {name!r} has arrived"
    error = {"code": "not_found", "message": message, "hint": "is its stack up? `edgedrop status` says"}
    return JSONResponse({"error": error}, status_code=404)
