"""A stand-in for a mint in the front's tests: `tiny_node.py <port> <name>`; it knows the claims it was sent.

Sent the claim "unwell", it goes on answering and is ready no more.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write, as a mint's uvloop sends them
    name = ""
    claims: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        claim = self.path.removeprefix("/v1/claims/")
        known = "unwell" not in self.claims if self.path == "/readyz" else claim in self.claims
        self.answer(200 if known else 404, {"claim_id": claim})

    def do_POST(self) -> None:
        claim = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["claim_id"]
        fresh = claim not in self.claims
        self.claims[claim] = self.name
        self.answer(201 if fresh else 200, {"claim_id": claim})

    def answer(self, status: int, body: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Edgedrop-Node", self.name)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """The test reads HAProxy's log, not ours."""


if __name__ == "__main__":
    Handler.name = sys.argv[2]
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
