"""`python3 -m node_image.hub.ledger`: migrate, then follow announcements and each announced grant's journal."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import nats
import uvicorn
from nats.js import JetStreamContext
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from node_image.bus.config import HUB_USER
from node_image.hub.ledger.consume import follow_all
from node_image.hub.ledger.database import DatabaseSettings, migrate
from node_image.hub.ledger.streams import ensure
from node_image.hub.ledger.web import routes
from node_image.hub.ledger.witness import answer_all
from node_image.service import log


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_; the database's are in DatabaseSettings."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    bus_url: str
    bus_secret_file: Path
    owner_public_key_file: Path
    witness_key_file: Path  # ed25519, PEM: signs what nodes are told of their journals
    port: int = 8080


async def serve(settings: Settings, engine: Engine) -> None:
    """The hub's bus, its streams, the web face and the consumers; any of them failing ends the process."""
    password = settings.bus_secret_file.read_text().strip()
    client = await nats.connect(settings.bus_url, user=HUB_USER, password=password, max_reconnect_attempts=-1)
    stream: JetStreamContext = client.jetstream(timeout=10)
    await ensure(stream)
    config = uvicorn.Config(_app(engine), host="0.0.0.0", port=settings.port, log_level="warning")  # noqa: S104
    log("ledger serves", port=settings.port)
    async with asyncio.TaskGroup() as group:
        group.create_task(uvicorn.Server(config).serve())
        group.create_task(answer_all(client, engine, settings.witness_key_file.read_bytes()))
        group.create_task(follow_all(stream, engine, settings.owner_public_key_file.read_bytes()))


def _app(engine: Engine) -> Starlette:
    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"live": True})

    return Starlette(routes=[*routes(engine), Route("/livez", alive), Route("/readyz", alive)])


def main() -> int:
    """Serve until killed: what isn't acknowledged comes again."""
    engine = DatabaseSettings().engine()
    migrate(engine)
    asyncio.run(serve(Settings(), engine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
