"""`python3 -m node_image.hub.relayer`: for each drop, read the chain, then send what is issued; for ever."""

from __future__ import annotations

import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import Engine, text

from node_image.hub.chain import Chain, ChainFault
from node_image.hub.ledger.database import DatabaseSettings
from node_image.hub.relayer import pending
from node_image.hub.relayer.pending import Drop
from node_image.service import log

PORT = 8080
PACE_S = 0.5
WORST_PAUSE_S = 30.0
ONLY_ONE = 0x72656C61  # an advisory lock: two relayers would pay for the same vouchers twice


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_; the database's are in DatabaseSettings."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    chain_url: str
    relayer_key_file: Path


class Relayer:
    """One account, one chain. Nothing is kept here: a kill loses only the answer, which the events bring back."""

    def __init__(self, chain: Chain, key: str, engine: Engine) -> None:
        self._chain, self._key, self._engine = chain, key, engine

    def round(self) -> int:
        """Every drop once; how many vouchers were sent."""
        with self._engine.begin() as connection:
            found = pending.read_drops(connection)
        return sum(self._drop(drop) for drop in found)

    def _drop(self, drop: Drop) -> int:
        """Events first: what somebody else redeemed, or we did before a kill, is not sent again."""
        if not self._chain.has_code(drop.contract):
            return 0
        redeemed = self._chain.redemptions(drop.contract, drop.scanned)
        with self._engine.begin() as connection:
            pending.write_redemptions(connection, drop, redeemed)
            if redeemed:
                pending.write_scanned(connection, drop, max(one.block for one in redeemed))
            sent = pending.read_issued(connection, drop)
        if sent:
            outcome = self._chain.redeem_many(self._key, drop.contract, sent)
            with self._engine.begin() as connection:
                pending.write_outcome(connection, drop, sent, outcome)
            log("redeemed", drop=drop.name, tokens=len(outcome.redeemed), skipped=len(outcome.skipped), tx=outcome.tx)
        return len(sent)


def run(relayer: Relayer, stop: threading.Event) -> None:
    """Round after round; a chain that is away is asked again with a growing, random pause."""
    pause = PACE_S
    while not stop.is_set():
        try:
            sent = relayer.round()
            pause = PACE_S if not sent else 0.0
        except ChainFault as fault:
            log("the chain does not take it", level="warning", reason=str(fault))
            pause = min(WORST_PAUSE_S, max(PACE_S, pause * 2))
        stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter


class Health(BaseHTTPRequestHandler):
    """GET /livez and /readyz: the process lives; work that waits shows in the ledger."""

    def do_GET(self) -> None:
        """Answer either."""
        self.send_response(200 if self.path in {"/livez", "/readyz"} else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Health checks are no news."""


def main() -> int:
    """Serve until killed."""
    settings = Settings()
    engine = DatabaseSettings().engine()
    chain, key = Chain(settings.chain_url), settings.relayer_key_file.read_text().strip()
    threading.Thread(target=ThreadingHTTPServer(("", PORT), Health).serve_forever, daemon=True).start()
    with engine.connect() as guard:
        guard.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ONLY_ONE})
        log("relayer serves", port=PORT)
        run(Relayer(chain, key, engine), threading.Event())
    return 0


if __name__ == "__main__":
    sys.exit(main())
