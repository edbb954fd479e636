"""What the hub's workers share: one process at a time, round after round, and a health face."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sqlalchemy import Engine, text

from node_image.hub.chain import ChainFault
from node_image.service import log

PACE_S = 0.5
WORST_PAUSE_S = 30.0


def run(
    work: Callable[[], int],
    stop: threading.Event,
    away: tuple[type[Exception], ...] = (ChainFault,),
    pace_s: float = PACE_S,
) -> None:
    """Round after round, at once while there is work; who is `away` is asked with a growing, random pause."""
    pause = pace_s
    while not stop.is_set():
        try:
            pause = 0.0 if work() else pace_s
        except away as fault:
            log("it does not answer as it must", level="warning", reason=str(fault))
            pause = min(WORST_PAUSE_S, max(pace_s, pause * 2))
        stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter


@contextmanager
def alone(engine: Engine, name: int) -> Iterator[None]:
    """Wait for the advisory lock `name`, and hold it: two of a kind would do everything twice."""
    with engine.connect() as guard:
        guard.execute(text("SELECT pg_advisory_lock(:key)"), {"key": name})
        yield


def serve_health(port: int) -> None:
    """GET /livez and /readyz in a thread of their own."""
    threading.Thread(target=ThreadingHTTPServer(("", port), Health).serve_forever, daemon=True).start()


class Health(BaseHTTPRequestHandler):
    """The process lives; work that waits shows in the ledger."""

    def do_GET(self) -> None:
        """Answer either."""
        self.send_response(200 if self.path in {"/livez", "/readyz"} else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Health checks are no news."""
