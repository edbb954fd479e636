"""What a slot of a node holds, as one document: the release, the containers as rendered, the files by what is in them.

The box's installer reads it (node_image/slots); a bundle carries it (infra/bundle). It holds no secret.
"""

from __future__ import annotations

from typing import Any

import msgspec
import rfc8785

from infra import installer
from infra.node_settings import NodeSettings
from node_image.spec import node_file

# What of a node's files may lie on a stick: what holds no secret (node.yaml), and the box's installer.
ON_STICK = (*node_file().public, installer.NAME)


class SlotDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`files` are SHA-256 by name; `told` is what the node remembers of it (NodeSettings.told)."""

    schema: int
    stack: str
    node: str
    release: str
    registry: str
    containers: list[dict[str, Any]]
    files: dict[str, str]
    told: dict[str, str]

    def payload(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))


def slot_document(settings: NodeSettings) -> SlotDocument:
    """What this node is to hold."""
    return SlotDocument(
        schema=1,
        stack=settings.host.stack,
        node=settings.host.node,
        release=settings.release,
        registry=settings.registry,
        containers=settings.shared()["edgedrop_containers"],
        files=dict(settings.files),
        told=settings.told(),
    )
