"""What was signed is read out of messages that nothing else can be read out of."""

from __future__ import annotations

import pytest

from node_image.hub.ledger import evidence
from node_image.protocol import eip712, journal
from node_image.protocol.journal import Kind
from tests.unit.hub.test_follow import ADDRESS, GRANT_ID, KEY, SEPARATOR, frames, sign

BATCH = eip712.Batch(GRANT_ID, 7, b"\5" * 32, 3, 9)


def forked(*, batch: eip712.Batch = BATCH) -> bytes:
    """A header and its signature after a head that nobody knows."""
    told = {"batch_seq": batch.batch_seq, "root": batch.root, "count": batch.count, "issued_at": batch.issued_at}
    header = journal.encode(Kind.BATCH, 40, told, b"\x0f" * 32)
    signature = {"batch_seq": batch.batch_seq, "signature": sign(batch)}
    return header.raw + journal.encode(Kind.SIGNATURE, 41, signature, header.head).raw


def test_a_header_and_its_signature_are_enough() -> None:
    found = evidence.read(GRANT_ID, forked())
    assert found.headers == (BATCH,)
    assert evidence.signs(SEPARATOR, ADDRESS, BATCH, found.signatures[0].signature)


def test_a_whole_journal_gives_its_batches() -> None:
    found = evidence.read(GRANT_ID, b"".join(frames()))
    assert [header.batch_seq for header in found.headers] == [0]
    assert evidence.signs(SEPARATOR, ADDRESS, found.headers[0], found.signatures[0].signature)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0\0", b"\0\0\0\1x", b"\xff" * 64, b"\0\0\0\x40" + b"\4" * 64, forked()[:40]],
)
def test_noise_gives_nothing_and_breaks_nothing(data: bytes) -> None:
    assert evidence.read(GRANT_ID, data) == evidence.Found((), ())


def test_what_comes_before_noise_is_kept() -> None:
    assert evidence.read(GRANT_ID, forked() + b"\xff" * 9).headers == (BATCH,)


def test_numbers_that_no_batch_has_are_passed_over() -> None:
    told = {"batch_seq": 1 << 64, "root": b"\1" * 32, "count": 1, "issued_at": 0}
    assert evidence.read(GRANT_ID, journal.encode(Kind.BATCH, 0, told, bytes(32)).raw).headers == ()


def test_another_key_signs_nothing_here() -> None:
    assert not evidence.signs(SEPARATOR, b"\1" * 20, BATCH, sign(BATCH, KEY))
    assert not evidence.signs(SEPARATOR, ADDRESS, BATCH, bytes(65))
