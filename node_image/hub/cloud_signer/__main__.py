"""`python3 -m node_image.hub.cloud_signer`: bus, grants, then the face over mutual TLS and health beside it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import nats
import uvicorn
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from node_image.bus.config import HUB_USER
from node_image.hub.cloud_signer.grants import Grants, Places
from node_image.hub.cloud_signer.server import CloudServer, RateLimit
from node_image.peers import server_context
from node_image.service import log
from node_image.signer.keystores import refuse_plain_keys
from node_image.signer.keystores.quota import Quota


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_; secrets as files."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    bus_url: str
    bus_secret_file: Path
    owner_public_key_file: Path
    tls_file: Path  # own key and certificate, PEM
    authority_file: Path
    keystore: str
    state_dir: Path = Path("/var/lib/edgedrop/cloud")
    socket_dir: Path = Path("/run/edgedrop")
    host: str = "0.0.0.0"  # noqa: S104  the hub's own network
    port: int = 8443
    health_port: int = 8080
    rate_per_second: float = 5.0  # claims of one node
    rate_burst: int = 20
    allow_file_keys: bool = False  # unit tests only


async def serve(settings: Settings) -> None:
    """Until killed; what isn't acknowledged is asked for again."""
    refuse_plain_keys(settings.keystore, allowed=settings.allow_file_keys)
    places = Places(settings.state_dir / "facts", settings.state_dir / "journals", settings.socket_dir)
    for folder in (places.facts, places.journals, places.sockets):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    limit = RateLimit(Quota.of(settings.rate_per_second, settings.rate_burst))
    context = server_context(settings.tls_file, settings.authority_file)
    password = settings.bus_secret_file.read_text().strip()
    bus = await nats.connect(settings.bus_url, user=HUB_USER, password=password, max_reconnect_attempts=-1)
    grants = Grants(places, settings.owner_public_key_file.read_bytes(), settings.keystore, bus)
    await asyncio.to_thread(grants.open_keystore)
    grants.load()
    server = await CloudServer(grants, limit).serve(settings.host, settings.port, context)
    health = uvicorn.Config(_app(), host=settings.host, port=settings.health_port, log_level="warning")
    log("cloud signer serves", port=settings.port)
    running = [asyncio.create_task(work) for work in (uvicorn.Server(health).serve(), grants.watch())]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        server.close()
        server.close_clients()


def _app() -> Starlette:
    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"live": True})

    return Starlette(routes=[Route("/livez", alive), Route("/readyz", alive)])


def main() -> int:
    """Serve; a setting that cannot be ends it with what would be right."""
    try:
        asyncio.run(serve(Settings()))
    except (ValueError, OSError) as fault:
        log("cloud signer does not start", level="error", reason=str(fault))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
