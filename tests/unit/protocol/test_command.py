"""Every command that a box must not do, with its reason; and those that it may."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
import rfc8785

from node_image.protocol import command, dsse
from node_image.protocol.command import (
    Box,
    Command,
    Drain,
    Logs,
    Reboot,
    Reimage,
    ReleaseKeys,
    Restart,
    Rollback,
    Stands,
    Status,
    Undrain,
)
from node_image.protocol.errors import CommandRefused
from node_image.protocol.timing import Interval

OWNER, RESPONDER, STRANGER = (dsse.new_private_pem() for _ in range(3))
KEYS = {"owner": dsse.public_pem(OWNER), "responder": dsse.public_pem(RESPONDER)}
NOW = 1_800_000_000
BOX = Box("harbour-lights", "quay-appliance1", frozenset({"mint", "signer"}))
KNOWN = Stands(newest=40, time=Interval(NOW, NOW + 1))
UNKNOWN = Stands(newest=40, time=Interval(0, None), nonces=frozenset({"ab" * 16}))
REIMAGE = Reimage("ab" * 32, "cd" * 32, again=True)
RIGHT = Command(1, BOX.stack, BOX.node, 41, NOW - 60, NOW + 600, Restart("mint"))


def told(**changes: Any) -> Command:
    return msgspec.structs.replace(RIGHT, **changes)


def raw(**changes: Any) -> bytes:
    """An envelope over what no Command holds."""
    body = msgspec.to_builtins(RIGHT) | changes
    return dsse.sign(command.PAYLOAD_TYPE, rfc8785.dumps(body), OWNER)


def tampered() -> bytes:
    found = json.loads(command.sign(RIGHT, OWNER))
    body = base64.b64decode(found["payload"]).replace(b'"mint"', b'"signer"')
    return json.dumps(found | {"payload": base64.b64encode(body).decode()}).encode()


def half_copied() -> bytes:
    whole = command.sign(RIGHT, OWNER)
    return whole[: len(whole) // 2]


def unsigned() -> bytes:
    return json.dumps(json.loads(command.sign(RIGHT, OWNER)) | {"signatures": []}).encode()


def spaced() -> bytes:
    return dsse.sign(command.PAYLOAD_TYPE, json.dumps(msgspec.to_builtins(RIGHT)).encode(), OWNER)


HUGE = command.payload(RIGHT).replace(b'"sequence":41', b'"sequence":9007199254740993')
DEEP = b'{"x":' + b"[" * 15_000

REFUSED = [
    ("no_envelope", b"", KNOWN),
    ("no_envelope", b"\xff\xfe", KNOWN),
    ("no_envelope", half_copied(), KNOWN),
    ("no_envelope", DEEP, KNOWN),
    ("oversize", b"x" * (command.MOST_BYTES + 1), KNOWN),
    ("wrong_type", dsse.sign("application/vnd.edgedrop.close+json", command.payload(RIGHT), OWNER), KNOWN),
    ("unsigned", unsigned(), KNOWN),
    ("not_signed", tampered(), KNOWN),
    ("not_signed", command.sign(RIGHT, STRANGER), KNOWN),
    ("not_canonical", spaced(), KNOWN),
    ("not_canonical", dsse.sign(command.PAYLOAD_TYPE, b"{", OWNER), KNOWN),
    ("not_canonical", dsse.sign(command.PAYLOAD_TYPE, HUGE, OWNER), KNOWN),
    ("unknown_schema", command.sign(told(schema=2), OWNER), KNOWN),
    ("unknown_action", raw(action={"do": "format"}), KNOWN),
    ("unknown_action", raw(action={}), KNOWN),
    ("bad_argument", raw(action={"do": "reboot", "now": True}), KNOWN),
    ("bad_argument", raw(action={"do": "restart"}), KNOWN),
    ("bad_argument", raw(more="1"), KNOWN),
    ("bad_argument", dsse.sign(command.PAYLOAD_TYPE, b"[]", OWNER), KNOWN),
    ("bad_argument", command.sign(told(action=Logs(command.MOST_LINES + 1)), OWNER), KNOWN),
    ("bad_argument", command.sign(told(action=Drain("x" * 201)), OWNER), KNOWN),
    ("bad_argument", command.sign(told(action=Reimage("ab" * 32, "../etc", again=False)), OWNER), KNOWN),
    ("bad_argument", command.sign(told(action=Drain("two\nlines")), OWNER), KNOWN),
    ("bad_argument", command.sign(told(sequence=0), OWNER), KNOWN),
    ("not_owners", command.sign(told(action=ReleaseKeys()), RESPONDER), KNOWN),
    ("not_signed", command.sign(told(action=ReleaseKeys()), STRANGER), KNOWN),
    ("unknown_service", command.sign(told(action=Restart("sshd")), OWNER), KNOWN),
    ("unknown_service", command.sign(told(action=Restart("mint; reboot")), OWNER), KNOWN),
    ("wrong_stack", command.sign(told(stack="other-lights"), OWNER), KNOWN),
    ("wrong_node", command.sign(told(node="quay-appliance2"), OWNER), KNOWN),
    ("replayed", command.sign(told(sequence=40), OWNER), KNOWN),
    ("older", command.sign(told(sequence=39), OWNER), KNOWN),
    ("expired", command.sign(told(issued_at=NOW - 60, expires_at=NOW), OWNER), KNOWN),
    ("expired", command.sign(told(expires_at=NOW + 5), OWNER), Stands(40, Interval(NOW, NOW + 5))),
    ("expired", command.sign(told(issued_at=NOW - 60, expires_at=NOW), OWNER), Stands(40, Interval(NOW, None))),
    ("not_yet", command.sign(told(issued_at=NOW + 1), OWNER), KNOWN),
    ("clock_unknown", command.sign(RIGHT, OWNER), UNKNOWN),
    ("stale_nonce", command.sign(told(nonce="cd" * 16), OWNER), UNKNOWN),
    ("stale_nonce", command.sign(told(nonce="ab" * 16), OWNER), KNOWN),
    ("bad_lifetime", command.sign(told(expires_at=NOW - 60), OWNER), KNOWN),
    ("bad_lifetime", command.sign(told(expires_at=NOW + command.LONGEST_S), OWNER), KNOWN),
]


@pytest.mark.parametrize(
    ("code", "envelope", "stands"), REFUSED, ids=[f"{n}-{one[0]}" for n, one in enumerate(REFUSED)]
)
def test_a_command_that_is_refused_says_why(code: str, envelope: bytes, stands: Stands) -> None:
    with pytest.raises(CommandRefused) as refused:
        command.check(*command.read(envelope, KEYS), BOX, stands)
    assert refused.value.code == code
    assert len(refused.value.reason) > 10


@pytest.mark.parametrize(
    "action",
    [
        Status(),
        Logs(200),
        Restart("mint"),
        Restart("engine"),
        Drain("too hot"),
        Drain(""),
        Undrain(),
        Rollback(),
        REIMAGE,
        Reboot(),
    ],
)
@pytest.mark.parametrize(("who", "key"), [("owner", OWNER), ("responder", RESPONDER)])
def test_each_action_is_read_back_and_may_be_done(action: command.Action, who: str, key: bytes) -> None:
    found, name = command.read(command.sign(told(action=action), key), KEYS)
    assert (found.action, name) == (action, who)
    command.check(found, name, BOX, KNOWN)


def test_a_box_without_a_clock_takes_what_answers_its_own_question() -> None:
    found, by = command.read(command.sign(told(nonce="ab" * 16, issued_at=5, expires_at=6), OWNER), KEYS)
    command.check(found, by, BOX, UNKNOWN)


def test_the_owner_alone_has_keys_given_up() -> None:
    found, by = command.read(command.sign(told(action=ReleaseKeys()), OWNER), KEYS)
    command.check(found, by, BOX, KNOWN)
