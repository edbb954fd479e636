"""`python3 -m node_image.hub.anchorer`: reports and anchors, for ever."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from node_image.hub import rounds
from node_image.hub.anchorer.stamps import Stamper
from node_image.hub.anchorer.work import Anchorer
from node_image.hub.chain import Chain
from node_image.hub.ledger.checkpoints import Pace
from node_image.hub.ledger.database import DatabaseSettings
from node_image.hub.timestamp import TimestampSettings, TsaAway
from node_image.protocol.errors import NotVerified
from node_image.service import log

ONLY_ONE = 0x616E6368  # an advisory lock: two anchorers would pay for the same roots twice


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_; the database's are in DatabaseSettings.

    What is signed after a grant's last anchor waits for the holders once its key is suspected: a shorter
    `anchor_every_s` costs gas, a longer one costs those buyers time.
    """

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    chain_url: str
    hub_key_file: Path
    anchor_every_s: float = Field(30.0, gt=0)
    anchor_batches: int = Field(1024, ge=1)
    port: int = 8080


def main() -> int:
    """Serve until killed."""
    settings = Settings()
    engine = DatabaseSettings().engine()
    chain, key = Chain(settings.chain_url), settings.hub_key_file.read_text().strip()
    rounds.serve_health(settings.port)
    with rounds.alone(engine, ONLY_ONE):
        log("anchorer serves", port=settings.port)
        _stamp(engine)
        pace = Pace(settings.anchor_every_s, settings.anchor_batches)
        rounds.run(Anchorer(chain, key, engine, pace).round, threading.Event())
    return 0


def _stamp(engine: Engine) -> None:
    """Where an authority is configured: stamps, in a thread that outlasts a fault of database or reply."""
    settings = TimestampSettings()
    if settings.tsa_url:
        work = Stamper(engine, settings.tsa_url, settings.tsa_ca.read_bytes()).round
        away = (TsaAway, NotVerified, SQLAlchemyError)
        threading.Thread(target=rounds.run, args=(work, threading.Event(), away), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
