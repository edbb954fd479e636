"""A stand-in for a mint in the front's tests: `tiny_node.py <port> <name> [<address>]`; it knows what it was sent.

`POST /be {"ready": false, "claims": "500"}` makes it another node from then on: not ready, or one whose claims are
answered with that status, `garbage`, or `<n>s` late.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

LARGE = b"x" * (16 << 20)  # more than any socket takes unread


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write, as a mint's uvloop sends them
    disable_nagle_algorithm = True
    name = ""
    claims: ClassVar[dict[str, str]] = {}
    being: ClassVar[dict[str, Any]] = {"ready": True, "claims": ""}

    def do_GET(self) -> None:
        claim = self.path.removeprefix("/v1/claims/")
        if self.path == "/assets/large":
            self.send(200, LARGE)
            return
        known = self.path in ("/livez", "/v1/drop") or claim in self.claims
        if self.path == "/readyz":
            known = self.being["ready"]
        self.answer(200 if known else 404, {"claim_id": claim})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/be":
            self.being.update(asked)
            self.answer(200, {})
            return
        claim, how = asked["claim_id"], str(self.being["claims"])
        if how.endswith("s"):
            time.sleep(float(how[:-1]))  # what a slow node does
        if how == "garbage":
            self.wfile.write(b"\x00not HTTP\r\n\r\n")
            self.close_connection = True
            return
        fresh = claim not in self.claims
        self.claims[claim] = self.name
        self.answer(int(how) if how.isdigit() else 201 if fresh else 200, {"claim_id": claim})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        claim = self.path.removeprefix("/v1/claims/").removesuffix("/receiver")
        self.answer(200 if claim in self.claims else 404, {"claim_id": claim})

    def answer(self, status: int, body: dict[str, str]) -> None:
        self.send(status, json.dumps(body).encode())

    def send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Edgedrop-Node", self.name)
        self.end_headers()
        self.wfile.write(data)

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):  # a check that was given up
            super().handle_one_request()

    def log_message(self, *_: object) -> None:
        """The test reads HAProxy's log, not ours."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # as uvicorn's, more or less
    daemon_threads = True


if __name__ == "__main__":
    Handler.name = sys.argv[2]
    Server(((sys.argv[3:] or ["127.0.0.1"])[0], int(sys.argv[1])), Handler).serve_forever()
