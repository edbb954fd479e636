"""The ledger believes a journal frame by frame, and only the announced grant's."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from coincurve import PrivateKey

from node_image.hub.ledger.follow import Follower, Gap, Grant
from node_image.protocol import eip712, journal, merkle
from node_image.protocol.errors import ProtocolError
from node_image.protocol.journal import ClaimRecord, Kind
from node_image.protocol.signature import address_of
from tests.unit.protocol.world import LEASES, Grown, key_claim, receive
from tests.unit.protocol.world import SEPARATOR as WORLD

KEY = PrivateKey(b"\7" * 32)
ADDRESS = address_of(KEY.public_key.format(compressed=False))
GRANT_ID = eip712.grant_id("lights", "quay-appliance1", 1)
SEPARATOR = eip712.Domain(31337, b"\4" * 20).separator
GRANT = Grant("lights", GRANT_ID, ADDRESS, SEPARATOR, {0: 0}, {0: 100})
LEASE = {"tier": 0, "start": 100, "quota": 5, "not_before": 0, "redeem_by": 2**40}


def sign(batch: eip712.Batch, key: PrivateKey = KEY) -> bytes:
    """The grant's signature of a batch."""
    raw = key.sign_recoverable(eip712.digest(SEPARATOR, batch.struct_hash()), hasher=None)
    return raw[:64] + bytes([27 + raw[64]])


def frames(**changes: Any) -> list[bytes]:
    """A journal: grant, lease, two claims, their batch, its signature."""
    claims = [ClaimRecord(f"c{n}", 0, n, bytes([n + 1]) * 20, 0, bytes(65), 0, n) for n in range(2)]
    root = merkle.root([claim.leaf(GRANT_ID).struct_hash() for claim in claims])
    header = {"batch_seq": 0, "root": changes.get("root", root), "count": 2, "issued_at": 7}
    told: list[tuple[Kind, dict[str, Any]]] = [
        (Kind.GRANT, {"grant_id": GRANT_ID, "key": changes.get("key", ADDRESS)}),
        (Kind.LEASE, {"document": {"leases": [LEASE | changes.get("lease", {})]}, "envelope": b""}),
    ]
    for one in claims:
        fields = {
            "claim_id": one.claim_id,
            "tier": 0,
            "seq": one.seq,
            "to": one.to,
            "slot": 0,
            "signature": one.signature,
        }
        told.append((Kind.CLAIM, fields))
    told.append((Kind.BATCH, header))
    batch = eip712.Batch(GRANT_ID, 0, header["root"], 2, 7)
    told.append((Kind.SIGNATURE, {"batch_seq": 0, "signature": sign(batch, changes.get("signer", KEY))}))
    found: list[bytes] = []
    head = journal.NO_HEAD
    for seq, (kind, payload) in enumerate(told):
        frame = journal.encode(kind, seq, payload, head)
        found.append(frame.raw)
        head = frame.head
    return found


def test_a_whole_journal_is_followed() -> None:
    follower = Follower(GRANT)
    assert len(follower.take(0, b"".join(frames()))) == 6
    assert follower.state.batches[0].signature


def test_a_message_that_came_before_brings_nothing_new_however_it_is_cut() -> None:
    follower = Follower(GRANT)
    raw = frames()
    follower.take(0, b"".join(raw[:3]))
    assert follower.take(0, b"".join(raw[:2])) == ()
    assert [frame.seq for frame in follower.take(1, b"".join(raw[1:]))] == [3, 4, 5]


def test_a_gap_is_waited_for() -> None:
    follower = Follower(GRANT)
    raw = frames()
    with pytest.raises(Gap):
        follower.take(2, b"".join(raw[2:]))
    follower.take(0, b"".join(raw))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": b"\1" * 20}, "another grant or key"),
        ({"root": b"\1" * 32}, "root is not that of its claims"),
        ({"signer": PrivateKey(b"\x08" * 32)}, "not signed by the grant's key"),
        ({"lease": {"start": 99}}, "not the one that was announced"),
        ({"lease": {"quota": 1}}, "was not to be given"),
    ],
)
def test_what_a_compromised_node_could_send_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        Follower(GRANT).take(0, b"".join(frames(**changes)))


@pytest.mark.parametrize(("key", "good"), [(4, True), (5, False)])
def test_a_receiver_is_believed_where_the_claim_key_named_it(key: int, good: bool) -> None:
    made = Grown()
    made.lease()
    made.claimed(key_claim("a", 4), 0)
    made.batch()
    receiver, leaf = b"\x0b" * 20, made.state.claims["a"].leaf(made.state.grant_id).struct_hash()
    told: dict[str, object] = {"claim_id": "a", "receiver": receiver, "signature": receive(leaf, receiver, key)}
    made.append(Kind.RECEIVE, told)
    leases = {lease["tier"]: lease["start"] for lease in LEASES}
    follower = Follower(Grant("d", made.state.grant_id, made.state.key, WORLD, {0: 0, 1: 0}, leases))
    with nullcontext() if good else pytest.raises(ProtocolError, match="not named by the claim key"):
        follower.take(0, made.data)


def test_a_fork_is_refused() -> None:
    follower = Follower(GRANT)
    follower.take(0, b"".join(frames()[:2]))
    other = frames(lease={"quota": 4})
    with pytest.raises(ProtocolError, match="hash chain"):
        follower.take(2, b"".join(other[2:]))


def test_a_fork_that_repeats_what_came_before_is_refused_too() -> None:
    """It begins at a head we know and is whole in itself; but its second frame is not the one that we hold."""
    follower = Follower(GRANT)
    raw = frames()
    follower.take(0, b"".join(raw[:3]))
    forked = frames(lease={"redeem_by": 2**39})
    with pytest.raises(ProtocolError, match="two chains"):
        follower.take(1, b"".join(forked[1:]))


def test_half_a_frame_is_refused() -> None:
    with pytest.raises(ProtocolError, match="half a frame"):
        Follower(GRANT).take(0, frames()[0][:-1])


def test_a_follower_of_another_grant_takes_nothing() -> None:
    with pytest.raises(ProtocolError):
        Follower(replace(GRANT, grant_id=b"\0" * 32)).take(0, frames()[0])
