"""Commands to a box: what a person may tell its recovery agent to do, signed, numbered, and gone after a while.

A command is fresh in one of two ways. Asked live, the box draws a nonce and the command carries it: that needs no
clock, and a box that has just booted without a time source can still be told what to do. Left on the bus for a box
that is away, it carries none, and the box must surely know that it is within the command's time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import rfc8785

from node_image.protocol import dsse
from node_image.protocol.errors import CommandRefused, NotVerified
from node_image.protocol.timing import Interval

PAYLOAD_TYPE = "application/vnd.edgedrop.command+json"
SCHEMA = 1
MOST_BYTES = 16 << 10  # of an envelope
LONGEST_S = 24 * 3600  # from issue to expiry
MOST_LINES = 2000
MOST_REASON = 200  # characters
MOST_SEQUENCE = (1 << 53) - 1  # what JSON holds exactly
HEX = re.compile("[0-9a-f]{64}")
OWNER = "owner"  # how a box names the owner's key
ENGINE = "engine"  # beside the services of node.yaml, what a restart may name


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="status"):
    """What runs on the box, and how the box is."""


class Logs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="logs"):
    """The last lines of every service, of the engine and of the recovery agent, in one bundle."""

    lines: int


class Restart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="restart"):
    """One service, or the engine."""

    service: str


class Drain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="drain"):
    """The node takes no new claim, also after a reboot, until it is told `undrain`."""

    reason: str


class Undrain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="undrain"):
    """It takes claims again."""


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="rollback"):
    """The release that ran before, out of the box's other slot."""


class Reimage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="reimage"):
    """A release of the owner's: the SHA-256 of it and of the slot's document, both signed by the owner and on the bus.

    `again`: also one that failed on this box before.
    """

    release: str
    document: str
    again: bool


class ReleaseKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="release-keys"):
    """The node's signing keys are destroyed for good, once each of its grants is closed; its journals stay."""


class Reboot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="reboot"):
    """The whole box."""


type Action = Status | Logs | Restart | Drain | Undrain | Rollback | Reimage | ReleaseKeys | Reboot


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sequence` grows strictly at each node; times in Unix seconds; `nonce` is the box's, empty in one left for it."""

    schema: int
    stack: str
    node: str
    sequence: int
    issued_at: int
    expires_at: int
    action: Status | Logs | Restart | Drain | Undrain | Rollback | Reimage | ReleaseKeys | Reboot
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """Who a command must be for; `services` are those that it may name."""

    stack: str
    node: str
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stands:
    """How the box stands: the newest sequence it took, where the time surely lies, the questions that it has open."""

    newest: int
    time: Interval
    nonces: frozenset[str] = frozenset()


def subject(stack: str, node: str) -> str:
    """Where the bus has a node's newest command."""
    return f"command.{stack}.{node}"


def ask_subject(stack: str, node: str) -> str:
    """Where a node is asked how it stands."""
    return f"command-ask.{stack}.{node}"


def reply_subject(stack: str, node: str) -> str:
    """Where a node answers both; whose answer it is says the digest of what was asked."""
    return f"command-reply.{stack}.{node}"


def payload(command: Command) -> bytes:
    """Canonical JSON (RFC 8785): what is signed."""
    return rfc8785.dumps(msgspec.to_builtins(command))


def sign(command: Command, private_pem: bytes) -> bytes:
    """The command in the envelope of whoever commands."""
    return dsse.sign(PAYLOAD_TYPE, payload(command), private_pem)


def read(envelope: bytes, keys: Mapping[str, bytes]) -> tuple[Command, str]:
    """The command and the name of the key that signed it; CommandRefused where it is none of theirs."""
    if len(envelope) > MOST_BYTES:
        raise CommandRefused("oversize", f"{len(envelope)} bytes, at most {MOST_BYTES} are read")
    data, name = _signed(envelope, keys)
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise CommandRefused("not_canonical", f"it is no JSON: {fault}") from fault
    command = _command(found)
    if not _is_canonical(command, data):
        raise CommandRefused("not_canonical", "it is not in canonical JSON (RFC 8785)")
    return command, name


def check(command: Command, by: str, box: Box, stands: Stands) -> None:
    """Whether this box may do it now; `by` names the key. CommandRefused with the first reason against it."""
    _check_box(command, box)
    if isinstance(command.action, OWNERS) and by != OWNER:
        raise CommandRefused("not_owners", f"the owner's key alone commands this, it is signed by the {by}'s")
    _check_action(command.action, box)
    _check_sequence(command, stands.newest)
    _check_lifetime(command)
    if command.nonce:
        if command.nonce not in stands.nonces:
            raise CommandRefused("stale_nonce", "it answers no question that this box has open")
    else:
        _check_time(command, stands.time)


def _signed(envelope: bytes, keys: Mapping[str, bytes]) -> tuple[bytes, str]:
    try:
        found = msgspec.json.decode(envelope, type=dsse.Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise CommandRefused("no_envelope", "it is no DSSE envelope") from fault
    if found.payload_type != PAYLOAD_TYPE:
        raise CommandRefused("wrong_type", f"the envelope holds {found.payload_type[:100]}, no command")
    if not found.signatures:
        raise CommandRefused("unsigned", "nobody signed it")
    for name, key in keys.items():
        try:
            return dsse.verify(envelope, PAYLOAD_TYPE, key), name
        except NotVerified:
            continue
    raise CommandRefused("not_signed", f"none of {', '.join(sorted(keys))} signed this")


def _command(found: object) -> Command:
    """Faults that a person may make get words of their own."""
    if isinstance(found, dict):
        if found.get("schema") != SCHEMA:
            raise CommandRefused("unknown_schema", f"schema {found.get('schema')!r}, this box knows {SCHEMA}")
        action = found.get("action")
        if isinstance(action, dict) and action.get("do") not in ACTIONS:
            raise CommandRefused("unknown_action", f"{action.get('do')!r}, this box knows {', '.join(ACTIONS)}")
    try:
        return msgspec.convert(found, Command)
    except msgspec.ValidationError as fault:
        raise CommandRefused("bad_argument", str(fault)) from fault


def _is_canonical(command: Command, data: bytes) -> bool:
    try:
        return payload(command) == data
    except rfc8785.CanonicalizationError:
        return False  # a number that JSON can't hold exactly


def _check_box(command: Command, box: Box) -> None:
    if command.stack != box.stack:
        raise CommandRefused("wrong_stack", f"it is for {command.stack}, this is a box of {box.stack}")
    if command.node != box.node:
        raise CommandRefused("wrong_node", f"it is for {command.node}, this is {box.node}")


def _check_action(action: Action, box: Box) -> None:
    """What stands in it, as far as no look at the box is needed."""
    if isinstance(action, Restart) and action.service not in box.services | {ENGINE}:
        there = ", ".join(sorted(box.services | {ENGINE}))
        raise CommandRefused("unknown_service", f"{action.service!r}, this box has {there}")
    if isinstance(action, Logs) and not 1 <= action.lines <= MOST_LINES:
        raise CommandRefused("bad_argument", f"{action.lines} lines: 1 to {MOST_LINES} are told")
    if isinstance(action, Reimage) and not all(HEX.fullmatch(one) for one in (action.release, action.document)):
        raise CommandRefused("bad_argument", "release and document are named by 64 hex digits each")
    if isinstance(action, Drain) and not (len(action.reason) <= MOST_REASON and action.reason.isprintable()):
        raise CommandRefused("bad_argument", f"the reason is one line of at most {MOST_REASON} characters")


def _check_sequence(command: Command, newest: int) -> None:
    if not 1 <= command.sequence <= MOST_SEQUENCE:
        raise CommandRefused("bad_argument", f"{command.sequence} is no sequence number")
    if command.sequence == newest:
        raise CommandRefused("replayed", f"{newest} was taken before")
    if command.sequence < newest:
        raise CommandRefused("older", f"{command.sequence} comes after {newest}, which was taken before")


def _check_lifetime(command: Command) -> None:
    lives = command.expires_at - command.issued_at
    if not 0 < lives <= LONGEST_S:
        raise CommandRefused("bad_lifetime", f"it would hold for {lives} s: 1 to {LONGEST_S} are allowed")


def _check_time(command: Command, time: Interval) -> None:
    if time.lo >= command.expires_at:
        raise CommandRefused("expired", f"it held until {command.expires_at}, it is {time.lo} or later")
    if time.hi is None:
        raise CommandRefused("clock_unknown", "this box does not know the time, so it must be asked first (a nonce)")
    if not time.surely_before(command.expires_at):
        raise CommandRefused("expired", f"it holds until {command.expires_at}, it may be {time.hi}")
    if not time.surely_from(command.issued_at):
        raise CommandRefused("not_yet", f"it holds from {command.issued_at} on, it may be {time.lo} only")


KINDS = (Status, Logs, Restart, Drain, Undrain, Rollback, Reimage, ReleaseKeys, Reboot)
ACTIONS = tuple(str(kind.__struct_config__.tag) for kind in KINDS)
OWNERS = (ReleaseKeys,)  # what the responder's key does not command
