"""Witnesses at a site on loopback: real TLS, real certificates, a folder each; state of the test's own."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from infra import certificates, keys
from infra.home import place
from node_image.peers import client_context
from node_image.protocol import dsse
from node_image.witness.server import Files, serve

DROP = "harbour-lights"
HOST = "127.0.0.1"


@dataclass
class Site:
    """By name, where each stands; EDGEDROP_HOME is `folder`."""

    folder: Path
    places: dict[str, str] = field(default_factory=dict)
    running: dict[str, asyncio.Server] = field(default_factory=dict)

    @property
    def public(self) -> dict[str, str]:
        """Their keys, as drop.json has them."""
        return {name: dsse.public_pem(keys.site_witness_pem(DROP, name)).decode() for name in self.places}

    def tls(self, node: str = "quay-appliance1", drop: str = DROP) -> ssl.SSLContext:
        """With the certificate of a node."""
        certificates.authority_pem()
        return client_context(certificates.node_file(drop, node), place("keys", "authority.pem"))

    async def start(self, name: str) -> None:
        """Where it stood before, if it did."""
        port = int(self.places[name].rpartition(":")[2]) if name in self.places else 0
        keys.site_witness_pem(DROP, name)
        certificates.witness_pem(DROP, name, HOST)
        own = place("keys", "any").parent
        tls, key = own / f"witness-tls.{DROP}.{name}.{HOST}.pem", own / f"witness.{DROP}.{name}.pem"
        files = Files(key, tls, own / "authority.pem", self.folder / "records" / name)
        server = self.running[name] = await serve(DROP, name, files, HOST, port)
        self.places[name] = f"{HOST}:{server.sockets[0].getsockname()[1]}"

    def stop(self, *names: str) -> None:
        """As a kill: what is connected is hung up on."""
        for name in names:
            server = self.running.pop(name)
            server.close()
            server.abort_clients()
