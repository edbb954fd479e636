"""Stands in for the registry at the other end of a box's pull: just what Docker asks for to fetch by digest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from infra.bundle import images
from infra.bundle.images import Images
from infra.errors import EdgedropError

PATH = re.compile(r"/v2/(edgedrop/[a-z][a-z0-9-]*)/(manifests|blobs)/(sha256:[0-9a-f]{64})")


@dataclass(slots=True)
class ImageServer:
    """`told` hears how many bytes go out; `faults` is what could not be given, in our own words.

    It is its handler's `server`, of which the standard library's handler asks nothing.
    """

    images: Images
    told: Callable[[int], None]
    sizes: dict[str, int] = field(default_factory=dict)  # of the blobs that manifests named
    faults: list[EdgedropError] = field(default_factory=list)

    def serve(self, connection: Any) -> None:
        """One connection to its end: a socket, or a channel of an SSH session, which has what is used of one."""
        with suppress(OSError), connection:  # Docker hangs up as it likes
            _Handler(connection, ("box", 0), self)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ImageServer  # type: ignore[assignment]

    def do_GET(self) -> None:
        """/v2/, a manifest or a blob."""
        found = PATH.fullmatch(self.path)
        if self.path == "/v2/":
            self._head(HTTPStatus.OK, "application/json", 2)
            self.wfile.write(b"{}")
        elif found is None:
            self._no("UNKNOWN")
        elif found[2] == "manifests":
            self._manifest(found[1], found[3])
        else:
            self._blob(found[1], found[3])

    def _manifest(self, name: str, digest: str) -> None:
        try:
            data = self.server.images.manifest(name, digest)
            read = images.parse(data)
        except (EdgedropError, OSError) as fault:
            self._lost(fault)
            return
        self.server.sizes |= {part.digest: part.size for part in read.parts}
        self._head(HTTPStatus.OK, read.media_type, len(data), digest)
        self.wfile.write(data)

    def _blob(self, name: str, digest: str) -> None:
        size = self.server.sizes.get(digest)
        if size is None:
            self._no("BLOB_UNKNOWN")
            return
        self._head(HTTPStatus.OK, "application/octet-stream", size, digest)
        try:
            for chunk in self.server.images.blob(name, digest):
                self.server.told(len(chunk))
                self.wfile.write(chunk)
        except (EdgedropError, OSError) as fault:
            self._lost(fault, begun=True)

    def _lost(self, fault: Exception, *, begun: bool = False) -> None:
        """Docker gives up; whoever asked for the pull is told why."""
        self.server.faults.append(fault if isinstance(fault, EdgedropError) else EdgedropError(str(fault)))
        self.close_connection = True
        if not begun:
            self._no("MANIFEST_UNKNOWN")

    def _no(self, code: str) -> None:
        data = json.dumps({"errors": [{"code": code, "message": "not here"}]}).encode()
        self._head(HTTPStatus.NOT_FOUND, "application/json", len(data))
        self.wfile.write(data)

    def _head(self, status: HTTPStatus, kind: str, length: int, digest: str = "") -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """What goes out is told by `told`."""
