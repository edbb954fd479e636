"""`python3 -m node_image.hub.relayer`: for each drop, read the chain, then send what is issued; for ever."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.hub import rounds
from node_image.hub.chain import Chain
from node_image.hub.ledger.database import DatabaseSettings
from node_image.hub.relayer.work import Relayer
from node_image.service import log

PACE_S = 1.0  # chains have a block a second at most
ONLY_ONE = 0x72656C61  # an advisory lock: two relayers would pay for the same vouchers twice


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_; the database's are in DatabaseSettings."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    chain_url: str
    relayer_key_file: Path
    port: int = 8080


def main() -> int:
    """Serve until killed."""
    settings = Settings()
    engine = DatabaseSettings().engine()
    chain, key = Chain(settings.chain_url), settings.relayer_key_file.read_text().strip()
    rounds.serve_health(settings.port)
    with rounds.alone(engine, ONLY_ONE):
        log("relayer serves", port=settings.port)
        rounds.run(Relayer(chain, key, engine).round, threading.Event(), pace_s=PACE_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
