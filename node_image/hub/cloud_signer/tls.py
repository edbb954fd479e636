"""Mutual TLS 1.3: who a peer is stands in its certificate, made by infra/certificates.py."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node_image.protocol.facts import cloud_node


@dataclass(frozen=True, slots=True)
class Peer:
    """A node of a drop: CN and O of its certificate."""

    drop: str
    node: str

    @property
    def cloud_node(self) -> str:
        """The node that its cloud grant is for."""
        return cloud_node(self.node)


def server_context(own_pem: Path, authority_pem: Path) -> ssl.SSLContext:
    """The hub's side: no peer without a certificate of our authority that is for clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority_pem))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(own_pem)
    return context


def peer_of(certificate: dict[str, Any]) -> Peer | None:
    """From what `ssl` gives of a verified certificate; None where it names no drop and node, or one of them twice."""
    named: dict[str, list[str]] = {}
    for part in certificate.get("subject", ()):
        for key, value in part:
            named.setdefault(key, []).append(value)
    drops, nodes = named.get("organizationName", []), named.get("commonName", [])
    return Peer(drops[0], nodes[0]) if len(drops) == len(nodes) == 1 else None
