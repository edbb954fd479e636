from __future__ import annotations

import pytest

from node_image.protocol import journal
from node_image.protocol.errors import JournalDamaged, ProtocolError
from node_image.protocol.journal import Kind
from node_image.protocol.rules import Claim
from tests.unit.protocol.world import Grown, address, claim, grown, key_claim, receive, wallet


def test_what_was_written_is_read() -> None:
    made = grown()
    found = journal.scan(made.data)
    state = journal.replay(found.frames)
    assert (found.good_length, found.torn) == (len(made.data), 0)
    assert state == made.state
    assert (state.next_seq, state.next_batch, state.unsigned()) == ({0: 2, 1: 1}, 2, [])
    assert all(
        journal.batch_root(batch) == batch.header.root
        for batch in (state.batches[number] for number in range(len(state.batches)))
    )


def test_a_batch_without_its_signature_is_to_be_signed_again() -> None:
    made = Grown()
    made.lease()
    made.claimed(claim("a"), 0)
    made.batch(signed=False)
    assert [batch.header.batch_seq for batch in journal.replay(made.frames).unsigned()] == [0]


def test_an_append_cut_anywhere_is_cut_off_whole() -> None:
    made = Grown()
    made.lease()
    good = len(made.data)
    made.claimed(claim("a", 0), 0)
    made.claimed(claim("b", 1), 1)
    made.batch(signed=False)
    for length in range(good, len(made.data)):
        found = journal.scan(made.data[:length])
        assert (found.good_length, found.torn) == (good, length - good)


def test_a_whole_frame_under_a_false_length_is_damage_and_not_a_cut() -> None:
    made = grown()
    last = len(made.data) - len(made.frames[-1].raw)
    false = made.data[: last + 3] + bytes([made.data[last + 3] ^ 0x80]) + made.data[last + 4 :]
    with pytest.raises(JournalDamaged) as told:
        journal.scan(false)
    assert told.value.offset == last


def test_a_frame_missing_in_the_middle_is_named_with_its_place() -> None:
    made = grown()
    first, second = (len(frame.raw) for frame in made.frames[:2])
    with pytest.raises(JournalDamaged) as told:
        journal.scan(made.data[:first] + made.data[first + second :])
    assert told.value.offset == first


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.BATCH, {"batch_seq": 2, "root": bytes(32), "count": 0, "issued_at": 1}),
        (Kind.SIGNATURE, {"batch_seq": 9, "signature": bytes(65)}),
        (Kind.GRANT, {"grant_id": bytes(32), "key": bytes(20)}),
    ],
)
def test_the_fold_refuses_what_no_signer_writes(kind: Kind, payload: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        grown().append(kind, payload)


@pytest.mark.parametrize(
    ("asked", "seq"),
    [
        (claim("d", 3), 0),  # given before
        (claim("d", 3), 4),  # a gap
        (claim("d", 3, tier=5), 0),  # no lease
        (claim("a", 3), 3),  # the claim id again
        (claim("d", 0), 3),  # the nullifier again
        (key_claim("d", 4, tier=1), 1),  # the claim key again
    ],
)
def test_the_fold_gives_no_seq_and_no_claim_twice(asked: Claim, seq: int) -> None:
    made = grown()
    made.claimed(key_claim("key", 4), 2)
    made.batch()
    with pytest.raises(ProtocolError):
        made.claimed(asked, seq)


def test_a_wallets_claim_is_written_as_before_there_were_claim_keys_and_such_a_frame_is_read() -> None:
    made = grown()
    told = [frame.payload for frame in made.frames if frame.kind is Kind.CLAIM]
    assert all(set(one) == {"claim_id", "tier", "seq", "to", "slot", "signature"} for one in told)
    assert made.state.claims["a"].claim_key == bytes(20)
    made.claimed(key_claim("key", 4), 2)
    assert made.frames[-1].payload["claim_key"] == address(wallet(4))
    made.batch()
    assert journal.replay(journal.scan(made.data).frames) == made.state


def test_a_receiver_is_named_once_and_for_a_claim_key_that_was_given_a_token() -> None:
    made = grown()
    made.claimed(key_claim("key", 4), 2)
    made.batch()
    receiver = b"\x0b" * 20
    leaf = made.state.claims["key"].leaf(made.state.grant_id).struct_hash()
    told = {"receiver": receiver, "signature": receive(leaf, receiver, 4)}
    for name in ("a", "nobody"):
        with pytest.raises(ProtocolError, match="no claim key"):
            made.append(Kind.RECEIVE, {"claim_id": name, **told})
    made.append(Kind.RECEIVE, {"claim_id": "key", **told})
    assert made.state.receivers == {"key": receiver}
    with pytest.raises(ProtocolError, match="no claim key"):
        made.append(Kind.RECEIVE, {"claim_id": "key", **told})


def test_a_payload_of_another_kind_is_never_written() -> None:
    with pytest.raises(ValueError, match="grant_id"):
        journal.encode(Kind.BATCH, 1, {"grant_id": bytes(32)}, journal.NO_HEAD)
