"""What a witness says of a grant's journal, so that a signer that starts can tell a restart from a restored copy.

The signer draws a nonce, the courier carries the question, and the witness (hub, front, peer) signs what it holds with
an ed25519 key that the node knows. An answer names the nonce, so that an old one, said again, vouches for nothing.

The hub is asked on the bus (`witness.<drop>.<node>`, request and reply), a witness at the site over mutual TLS. A reply
is a DSSE envelope, or a refusal in plain JSON, which is signed by nobody and says only why there is no envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified

PAYLOAD_TYPE = "application/vnd.edgedrop.witness+json"
HUB = "hub"
FRONT = "front"  # beside the node's own front; a peer goes by its node's name
OWNER = "owner"  # by the owner's own key, carried by a tech: where no other witness is reached
Word = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0)]
Head = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node asks; `nonce` is 32 bytes drawn for this question alone."""

    schema: int
    grant_id: Word
    nonce: Word


class Mark(msgspec.Struct, frozen=True):
    """How far a journal goes: `journal_seq` frames with `next_batch` batches in them, and `head` after the last."""

    journal_seq: Count
    next_batch: Count
    head: Head


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the journal the witness holds: `journal_seq` frames, `next_batch` batches, `head` after the last.

    A journal that is shorter, or has another head there, is not the newest. `at_ms` is the witness's clock (Unix, ms);
    0 of one at the site, whose clock is nobody's word.
    """

    schema: int
    witness: str
    grant_id: Word
    nonce: Word
    journal_seq: Count
    next_batch: Count
    head: Word
    at_ms: Count


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no statement: `unknown` (no such grant was announced), `quarantined`, `bad_question`."""

    code: str
    message: str


class _Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refused: Refusal


def subject(drop: str, node: str) -> str:
    """Where the hub is asked."""
    return f"witness.{drop}.{node}"


def ask(grant_id: bytes, nonce: bytes) -> bytes:
    """The question as it goes over the bus."""
    return msgspec.json.encode(Question(1, "0x" + grant_id.hex(), "0x" + nonce.hex()))


def read_question(data: bytes) -> Question:
    """A question; NotVerified when it is none."""
    try:
        return msgspec.json.decode(data, type=Question)
    except msgspec.DecodeError as fault:
        raise NotVerified(f"the question is not of schema 1: {fault}") from fault


def sign(statement: Statement, private_pem: bytes) -> bytes:
    """The answer, signed by the witness's ed25519 key."""
    return dsse.sign(PAYLOAD_TYPE, msgspec.json.encode(statement), private_pem)


def refuse(code: str, message: str) -> bytes:
    """The answer of a witness that vouches for nothing."""
    return msgspec.json.encode(_Refused(Refusal(code, message)))


def refusal(answer: bytes) -> Refusal | None:
    """The refusal that an answer is, if it is one."""
    try:
        return msgspec.json.decode(answer, type=_Refused).refused
    except msgspec.DecodeError:
        return None


def verify(answer: bytes, public_pem: bytes, grant_id: bytes, nonce: bytes) -> Statement:
    """What the witness says to this very question; else NotVerified."""
    if (refused := refusal(answer)) is not None:
        raise NotVerified(f"the witness refuses ({refused.code}): {refused.message}")
    told = _signed(answer, public_pem)
    if (told.grant_id, told.nonce) != ("0x" + grant_id.hex(), "0x" + nonce.hex()):
        raise NotVerified("the statement answers another question")
    return told


def heard(answer: bytes, witnesses: Mapping[str, bytes]) -> Statement:
    """What one of these witnesses says, each by its own key; whether it was asked that is for the asker to look up."""
    for name, public_pem in witnesses.items():
        try:
            told = _signed(answer, public_pem)
        except NotVerified:
            continue
        if told.witness == name:
            return told
    raise NotVerified("no statement of a witness that this node knows")


def _signed(answer: bytes, public_pem: bytes) -> Statement:
    payload = dsse.verify(answer, PAYLOAD_TYPE, public_pem)
    try:
        return msgspec.json.decode(payload, type=Statement)
    except msgspec.DecodeError as fault:
        raise NotVerified(f"the statement is not of schema 1: {fault}") from fault
