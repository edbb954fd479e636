"""A timestamp authority as RFC 3161 wants it: `openssl ts` with a CA of its own, behind HTTP on loopback."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
EKU = {"tsa": "critical,timeStamping", "not_for_time": "critical,codeSigning"}


@dataclass
class Tsa:
    """Its folder, its certificates, and what it is to do wrong (tests only: empty is honest)."""

    folder: Path
    url: str = ""
    answer: bytes | None = None  # said instead of an own one
    status: int = 200
    replies: list[bytes] = field(default_factory=list)

    @property
    def ca(self) -> bytes:
        """What its certificates lead to."""
        return (self.folder / "ca.pem").read_bytes()

    def make(self) -> None:
        """Keys and certificates: a CA, an authority, and a certificate that is for signing code."""
        (self.folder / "serial").write_text("01\n")
        (self.folder / "tsa.cnf").write_text(CONFIG.format(folder=self.folder))
        new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        self._openssl(*new, "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
        for name, purpose in EKU.items():
            mine = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"extendedKeyUsage={purpose}"]
            plain = ["-addext", "basicConstraints=critical,CA:FALSE", "-subj", f"/CN={name}"]
            self._openssl(*new, *mine, *plain, "-keyout", f"{name}.key", "-out", f"{name}.pem")

    def reply(self, query: bytes) -> bytes:
        """The honest answer."""
        (self.folder / "query.tsq").write_bytes(query)
        signer = ["-signer", "tsa.pem", "-inkey", "tsa.key"]
        self._openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", *signer, "-out", "reply.tsr")
        return (self.folder / "reply.tsr").read_bytes()

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")


@contextmanager
def serving(folder: Path) -> Iterator[Tsa]:
    """It answers until the block ends."""
    tsa = Tsa(folder)
    tsa.make()

    class Handler(BaseHTTPRequestHandler):
        """POST of a query."""

        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            body = tsa.answer if tsa.answer is not None else tsa.reply(query)
            tsa.replies.append(body)
            self.send_response(tsa.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the library's name
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tsa.url = f"http://127.0.0.1:{server.server_port}/tsr"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield tsa
    finally:
        server.shutdown()
        server.server_close()
