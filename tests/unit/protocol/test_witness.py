"""A witness's word holds for the question it answers, and for no other."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from node_image.protocol import dsse, witness
from node_image.protocol.errors import NotVerified

KEY = dsse.new_private_pem()
PUBLIC = dsse.public_pem(KEY)
GRANT, NONCE = b"\1" * 32, b"\2" * 32


def answer(key: bytes = KEY, nonce: bytes = NONCE, grant_id: bytes = GRANT) -> bytes:
    """What a witness that holds nine frames says."""
    held = witness.Statement(
        1, "hub", "0x" + grant_id.hex(), "0x" + nonce.hex(), 9, 2, "0x" + "ab" * 32, 1_790_000_000_000
    )
    return witness.sign(held, key)


def test_a_question_is_answered() -> None:
    asked = witness.read_question(witness.ask(GRANT, NONCE))
    assert (asked.grant_id, asked.nonce) == ("0x" + GRANT.hex(), "0x" + NONCE.hex())
    told = witness.verify(answer(), PUBLIC, GRANT, NONCE)
    assert (told.journal_seq, told.next_batch, told.head) == (9, 2, "0x" + "ab" * 32)


@dataclass(frozen=True)
class Wrong:
    given: bytes
    says: str


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong(answer(nonce=b"\3" * 32), "another question"),
        Wrong(answer(grant_id=b"\3" * 32), "another question"),
        Wrong(answer(key=dsse.new_private_pem()), "not signed"),
        Wrong(dsse.sign("application/vnd.edgedrop.lease+json", b"{}", KEY), "holds application"),
        Wrong(dsse.sign(witness.PAYLOAD_TYPE, b"{}", KEY), "schema 1"),
        Wrong(b"", "no DSSE envelope"),
        Wrong(witness.refuse("quarantined", "two chains from one head"), "two chains"),
    ],
)
def test_what_vouches_for_nothing(wrong: Wrong) -> None:
    with pytest.raises(NotVerified, match=wrong.says):
        witness.verify(wrong.given, PUBLIC, GRANT, NONCE)


@pytest.mark.parametrize("data", [b"", b"{}", msgspec.json.encode({"schema": 1, "grant_id": "0x", "nonce": "0x"})])
def test_what_is_no_question(data: bytes) -> None:
    with pytest.raises(NotVerified):
        witness.read_question(data)


def test_a_refusal_is_told_from_a_statement() -> None:
    refused = witness.refusal(witness.refuse("unknown", "no such grant"))
    assert refused is not None
    assert refused.code == "unknown"
    assert witness.refusal(answer()) is None
