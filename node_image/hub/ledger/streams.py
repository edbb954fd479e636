"""The hub's streams: who may say what, how much, and how long it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from node_image.protocol import parcel, trail
from node_image.protocol.command import LONGEST_S, MOST_BYTES

if TYPE_CHECKING:
    from nats.js import JetStreamContext

GIB = 1 << 30

STREAMS = (
    # Full means refuse, never forget: the nodes keep their journals and send again.
    StreamConfig(
        name="JOURNAL",
        subjects=["journal.*.*.*"],
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=8 * GIB,
        max_msg_size=1 << 20,
        duplicate_window=120,
    ),
    # A node that was away needs its newest leases only.
    StreamConfig(
        name="LEASES",
        subjects=["lease.*.*", "lease.*.*.*"],
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=GIB,
        max_msgs_per_subject=1,
        discard_new_per_subject=False,
        allow_direct=True,
    ),
    # A box that was away needs the newest command only, and no command holds for longer than a day.
    StreamConfig(
        name="COMMANDS",
        subjects=["command.*.*"],
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_bytes=GIB >> 4,
        max_msgs_per_subject=1,
        max_msg_size=MOST_BYTES,
        max_age=LONGEST_S,
    ),
    # What a re-image by the bus needs; gone when no command can ask for it any more.
    StreamConfig(
        name=parcel.STREAM,
        subjects=[parcel.subject("*", "*")],
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_bytes=GIB,
        max_msgs_per_subject=1,
        max_age=LONGEST_S,
    ),
    # One announcement an epoch and node: a ledger that is rebuilt must learn the older epochs too.
    StreamConfig(
        name="DROPS",
        subjects=["drop.*", "drop.*.grant.*"],
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_bytes=GIB,
        max_msgs_per_subject=64,
        allow_direct=True,
    ),
    StreamConfig(
        name="AUDIT",
        subjects=[trail.SUBJECT],
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=GIB,
    ),
)


async def ensure(jetstream: JetStreamContext) -> None:
    """Make the streams, or bring those there are to these settings."""
    for wanted in STREAMS:
        try:
            await jetstream.update_stream(wanted)
        except NotFoundError:
            await jetstream.add_stream(wanted)
