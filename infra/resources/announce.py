"""Say it on the hub's bus: an envelope on a subject, kept by the stream, acknowledged before we go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from infra import keys
from infra.errors import Unreachable
from infra.hub_bus import connected
from node_image.protocol import announcement, lease
from node_image.protocol.announcement import GrantAnnouncement

ANSWER_S = 5


def announce(bus: str, subject: str, envelope: bytes) -> None:
    """Publish and wait until the stream has it; `bus` is the hub's address."""
    announce_each(bus, subject, [envelope])


def announce_each(bus: str, subject: str, envelopes: Sequence[bytes], answer_s: float = ANSWER_S) -> None:
    """The same with several, in their order."""
    from nats.errors import Error  # noqa: PLC0415  refresh and preview load this module and say nothing

    try:
        asyncio.run(_publish(bus, subject, envelopes, answer_s))
    except (OSError, TimeoutError, Error) as fault:
        raise Unreachable(f"the hub's bus at {bus} took nothing on {subject}: {fault!r}", "is the lab up?") from fault


def announce_grant(bus: str, grant: GrantAnnouncement) -> None:
    """The ledger hears whose grant it is, the node gets its leases; both in the owner's envelope."""
    owner = keys.owner_pem()
    announce(bus, f"drop.{grant.drop}.grant.{grant.node}", announcement.sign(grant, owner))
    held = lease.LeaseDocument(1, grant.drop, grant.node, grant.epoch, grant.grant_id, grant.key, grant.leases)
    announce(bus, lease.subject(grant.drop, grant.node, grant.epoch), lease.sign(held, owner))


async def _publish(bus: str, subject: str, envelopes: Sequence[bytes], answer_s: float) -> None:
    async with connected(f"{bus}:4222", answer_s) as client:
        for envelope in envelopes:
            await client.jetstream().publish(subject, envelope, timeout=answer_s)
