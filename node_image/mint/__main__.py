"""`python3 -m node_image.mint`: settings -> content verified -> serve."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.mint.app import Mint, make_app
from node_image.mint.metrics import ClaimMetrics
from node_image.mint.receipts import Ledger
from node_image.protocol import manifest
from node_image.protocol.errors import ProtocolError
from node_image.protocol.facts import parse
from node_image.service import log
from node_image.signer.client import SignerClient


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    drop_dir: Path = Path("/etc/edgedrop/drop")
    socket: Path = Path("/run/edgedrop/signer.sock")
    static_dir: Path = Path("/opt/edgedrop/static")
    host: str = "0.0.0.0"  # noqa: S104  the node's own network
    port: int = 8080


def main() -> int:
    """Serve until told to stop; a drop whose content isn't the owner's is not shown to anyone."""
    settings = Settings()
    try:
        facts = parse((settings.drop_dir / "drop.json").read_bytes())
        envelope, assets = manifest.read_content(settings.drop_dir / "content.zip")
        found = manifest.verify(envelope, facts.owner_public_key.encode(), assets)
    except (ProtocolError, OSError) as fault:
        log("mint does not start", level="error", reason=str(fault))
        return 1
    signer, ledger = SignerClient(settings.socket), Ledger(facts.ledger_url)
    mint = Mint(facts, found, assets, signer, ClaimMetrics(), settings.static_dir, ledger)
    log("mint serves", drop=facts.drop, node=facts.node, port=settings.port)
    uvicorn.run(make_app(mint), host=settings.host, port=settings.port, log_level="warning", access_log=False)
    return 0


sys.exit(main())
