"""A parcel for a box: what a re-image by the bus needs of this machine, signed, and left on the hub for a day.

Only files that node.yaml calls public are in it; what holds a secret never lies on the bus.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra import keys
from infra.errors import Unreachable
from infra.hub_bus import connected
from infra.node_settings import NodeSettings
from infra.slot import slot_document
from node_image.protocol import dsse, parcel
from node_image.spec import node_file

if TYPE_CHECKING:
    from nats.js import JetStreamContext

CONNECT_S = 3.0
ACK_S = 10.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """`document` is the SHA-256 of the slot's document; `files` by the name that they have on the bus."""

    release: str
    document: str
    files: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(len(data) for data in self.files.values())


def parcel_of(settings: NodeSettings, release_envelope: bytes) -> Parcel:
    """What this node is to be given, as far as it may be seen."""
    payload = slot_document(settings).payload()
    document = hashlib.sha256(payload).hexdigest()
    public = (settings.folder / name for name in node_file().public if name in settings.files)
    signed = {
        document: dsse.sign(parcel.SLOT_TYPE, payload, keys.owner_pem()),
        settings.release: release_envelope,
    }
    held = (path.read_bytes() for path in public)
    return Parcel(settings.release, document, signed | {hashlib.sha256(data).hexdigest(): data for data in held})


def leave(bus: str, made: Parcel) -> None:
    """On the hub's bus (`host:port`), each part acknowledged; Unreachable where it is not."""
    from nats.errors import Error  # noqa: PLC0415  as infra/hub_bus.py

    try:
        asyncio.run(_leave(bus, made))
    except (OSError, TimeoutError, Error) as fault:
        raise Unreachable(
            f"the hub's bus at {bus}: {fault!r}", "over SSH no hub is needed: edgedrop reimage"
        ) from fault


async def _leave(bus: str, made: Parcel) -> None:
    async with connected(bus, CONNECT_S) as client:
        await put(client.jetstream(), made.files)


async def put(stream: JetStreamContext, files: Mapping[str, bytes]) -> None:
    """Part by part, each acknowledged."""
    for name, data in files.items():
        parts = parcel.split(data)
        for number, part in enumerate(parts):
            headers = {parcel.COUNT: str(len(parts))}
            await stream.publish(parcel.subject(name, number), part, timeout=ACK_S, headers=headers)
