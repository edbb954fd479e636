"""The agent's two faces: a line for HAProxy's agent check, and HTTP for people and Prometheus."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from node_image.cooling.agent import Agent
from node_image.cooling.metrics import exposition
from node_image.service import log


def line(agent: Agent) -> bytes:
    """What HAProxy is told: a weight, and never a word of state.

    `drain`, `ready`, `up` and `down` of an agent are the same switches that a person turns: said once a second they
    would take back an operator's drain, and `up` outvotes the health check. At weight 0 a server gets no new claim,
    and a stop is the mint's own: it fails its check. Nothing is said where nothing is known: HAProxy keeps the last.
    """
    return b"" if agent.stale else f"{agent.state.weight}%\n".encode()


def make_app(agent: Agent, host: str, agent_port: int, every_s: float) -> Starlette:
    """The application; the loop and the agent check's listener live as long as it does."""

    async def check(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(line(agent))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    @asynccontextmanager
    async def living(_app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.create_task(agent.run(every_s))
        loop.add_done_callback(_fell)
        async with await asyncio.start_server(check, host, agent_port):
            try:
                yield
            finally:
                loop.cancel()
                agent.fans.give_back()

    async def alive(_request: Request) -> Response:
        """GET /livez, /readyz."""
        return JSONResponse({"live": not agent.stale}, HTTPStatus.SERVICE_UNAVAILABLE if agent.stale else HTTPStatus.OK)

    async def status(_request: Request) -> Response:
        """GET /v1/status."""
        return Response(msgspec.json.encode(agent.document), media_type="application/json")

    async def measures(_request: Request) -> Response:
        """GET /metrics."""
        return Response(exposition(agent.document), media_type="text/plain; version=0.0.4")

    routes = [Route("/livez", alive), Route("/readyz", alive), Route("/v1/status", status), Route("/metrics", measures)]
    return Starlette(routes=routes, lifespan=living)


def _fell(loop: asyncio.Task[None]) -> None:
    """An agent without its loop would tell an old weight for ever: it ends, and is started again."""
    if not loop.cancelled():
        log("cooling fell", level="error", reason=repr(loop.exception()))
        os.kill(os.getpid(), signal.SIGTERM)
