"""Whatever the bus carries, a box reads its own command or refuses; nothing else comes of it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

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

KEY = dsse.new_private_pem()
KEYS = {"responder": dsse.public_pem(KEY)}
NOW = 1_800_000_000
BOX = Box("lights", "quay-appliance1", frozenset({"mint"}))
RIGHT = Command(1, BOX.stack, BOX.node, 7, NOW - 60, NOW + 60, Restart("mint"))
WHOLE = command.sign(RIGHT, KEY)
FEW = st.integers(0, 6)  # so few that all orders come up
NAMES = st.sampled_from(["ab" * 32, "AB" * 32, "ab" * 32 + "\n", "../ab", ""])
ACTIONS = st.one_of(
    st.just(Status()),
    st.just(Reboot()),
    st.just(Undrain()),
    st.just(Rollback()),
    st.just(ReleaseKeys()),
    st.builds(Reimage, NAMES, NAMES, st.booleans()),
    st.builds(Drain, st.text(max_size=2 * command.MOST_REASON)),
    st.builds(Restart, st.text(max_size=20)),
    st.builds(Logs, st.integers(-9, 5000)),
)


def read(envelope: bytes) -> Command | None:
    try:
        return command.read(envelope, KEYS)[0]
    except CommandRefused:
        return None


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_changed_byte_changes_no_command(place: int, byte: int) -> None:
    changed = WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]
    assert read(changed) in {None, RIGHT}, "its key hint, or a bit that base64 does not carry"


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    assert read(noise) is None
    assert read(dsse.sign(command.PAYLOAD_TYPE, noise, KEY)) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*RIGHT.__struct_fields__, "more"]), VALUES)
def test_a_field_of_another_kind_is_refused_and_never_a_fault(name: str, value: Any) -> None:
    body = msgspec.to_builtins(RIGHT) | {name: value}
    found = read(dsse.sign(command.PAYLOAD_TYPE, json.dumps(body).encode(), KEY))
    assert found is None or msgspec.to_builtins(found) == body


@given(st.sampled_from(["owner", "responder"]), ACTIONS, FEW, FEW, FEW, FEW, st.none() | FEW, FEW)
def test_what_may_be_done_is_new_for_this_box_and_surely_in_its_time(
    by: str, action: Any, sequence: int, issued_at: int, expires_at: int, lo: int, hi: int | None, newest: int
) -> None:
    made = Command(1, BOX.stack, BOX.node, sequence, issued_at, expires_at, action)
    assert read(command.sign(made, KEY)) == made
    try:
        command.check(made, by, BOX, Stands(newest, Interval(lo, hi)))
    except CommandRefused:
        return
    assert by == "owner" or not isinstance(action, command.OWNERS)
    assert sequence > newest
    assert hi is not None
    assert issued_at <= lo
    assert hi < expires_at <= issued_at + command.LONGEST_S
    assert not isinstance(action, Restart) or action.service in {"mint", "engine"}
    assert not isinstance(action, Logs) or 1 <= action.lines <= command.MOST_LINES
    assert not isinstance(action, Reimage) or {action.release, action.document} == {"ab" * 32}
    assert not isinstance(action, Drain) or len(action.reason.splitlines()) <= 1
