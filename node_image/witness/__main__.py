"""`python3 -m node_image.witness`: the witness beside a front; a node's own runs in its courier."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.protocol.witness import FRONT
from node_image.service import log
from node_image.witness import PORT
from node_image.witness.server import Files, serve


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_; secrets as files."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    drop: str
    witness_name: str = FRONT
    witness_key_file: Path = Path("/etc/edgedrop/witness/key.pem")
    witness_tls_file: Path = Path("/etc/edgedrop/witness/tls.pem")
    authority_file: Path = Path("/etc/edgedrop/witness/authority.pem")
    witness_dir: Path = Path("/var/lib/edgedrop/witness")
    host: str = "0.0.0.0"  # noqa: S104  the geography's own network
    witness_port: int = PORT


async def _serve(settings: Settings) -> None:
    files = Files(settings.witness_key_file, settings.witness_tls_file, settings.authority_file, settings.witness_dir)
    server = await serve(settings.drop, settings.witness_name, files, settings.host, settings.witness_port)
    await server.serve_forever()


def main() -> int:
    """Serve until killed: all that it was told is on its disk."""
    try:
        asyncio.run(_serve(Settings()))
    except (ValueError, OSError) as fault:
        log("witness does not start", level="error", reason=str(fault))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
