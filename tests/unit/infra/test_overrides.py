"""An override is the owner's word on one node's release, until a time; anything else is refused and named."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pytest

from infra import audit, keys, overrides, release, stacks
from infra.errors import BadUsage, NotVerified
from infra.home import ROOT, home, place, write_private
from infra.node_settings import NodeSettings
from infra.ops.drops import plan_of
from infra.ops.overridden import overridden
from infra.ops.prepare import prepare_drop
from infra.overrides import PAYLOAD_TYPE, Override
from infra.plan import plan_lab
from infra.program import _settings
from infra.release import Release
from infra.stacks import Stack
from node_image.protocol import dsse
from tests.unit.bundle.a_bundle import TinyImages, tiny_release

DROP, NODE, SPARE = "harbour-lights", "quay-appliance1", "quay-spare1"
WANTED, OTHER = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


def path() -> Path:
    return home() / "overrides" / DROP / f"{NODE}.dsse.json"


@cache  # the same one each time, whatever second it is
def until(seconds: int, digest: str = OTHER) -> Override:
    """Issued an hour ago, over in so many seconds."""
    now = int(time.time())
    return Override(1, DROP, NODE, digest, "a trial", "ops@desk", now - 3600, now + seconds)


def test_it_counts_until_its_time_is_over() -> None:
    overrides.put(DROP, NODE, until(60))
    found = overrides.in_force(DROP, NODE, WANTED)
    assert found is not None
    assert found.words().startswith(f"override: release {OTHER[:12]} by ops@desk until 20")
    assert found.words().endswith(" UTC: a trial")
    overrides.put(DROP, NODE, until(0))
    assert overrides.in_force(DROP, NODE, WANTED) is None
    assert overrides.read(DROP, NODE) == until(0)


def test_one_of_the_wanted_release_is_none_and_one_that_was_withdrawn_is_gone() -> None:
    overrides.put(DROP, NODE, until(60))
    assert overrides.in_force(DROP, NODE, OTHER) is None
    assert [one.node for one in overrides.all_in_force(DROP, (SPARE, NODE), WANTED)] == [NODE]
    overrides.put(DROP, NODE, None)
    overrides.put(DROP, NODE, None)
    assert overrides.read(DROP, NODE) is None
    overrides.put(DROP, NODE, until(60))
    overrides.forget(DROP)
    assert not list(home().glob("overrides/*"))


def test_one_that_is_issued_says_who_and_until_when() -> None:
    made = overrides.issue(DROP, NODE, OTHER, "why", 7200)
    assert (made.who, made.why, made.expires_at - made.issued_at) == (audit.who(), "why", 7200)
    assert abs(made.issued_at - time.time()) < 5


@pytest.mark.parametrize(("told", "seconds"), [("90m", 5400), ("4h", 14400), ("30d", 30 * 86400)])
def test_how_long_is_said_in_minutes_hours_or_days(told: str, seconds: int) -> None:
    assert overrides.lasting(told) == seconds


@pytest.mark.parametrize("told", ["", "4", "0h", "-4h", "4 h", "1.5h", "31d", "4w", "999999m"])
def test_what_is_no_time_or_too_long_is_refused(told: str) -> None:
    with pytest.raises(BadUsage, match="--for"):
        overrides.lasting(told)


def signed(payload: bytes, key: bytes | None = None, kind: str = PAYLOAD_TYPE) -> bytes:
    return dsse.sign(kind, payload, key or keys.owner_pem())


def changed() -> bytes:
    """The release in it is another one than was signed."""
    envelope = msgspec.json.decode(signed(until(60).payload()))
    other = msgspec.json.decode(signed(until(60, "c" * 64).payload()))
    return msgspec.json.encode(envelope | {"payload": other["payload"]})


def with_more() -> bytes:
    return signed(msgspec.json.encode(msgspec.to_builtins(until(60)) | {"more": 1}))


FOREIGN: dict[str, tuple[Callable[[], bytes], str]] = {
    "another node's": (lambda: signed(msgspec.structs.replace(until(60), node=SPARE).payload()), f"it is of {SPARE}"),
    "another drop's": (lambda: signed(msgspec.structs.replace(until(60), stack="other").payload()), "of other"),
    "another key's": (lambda: signed(until(60).payload(), dsse.new_private_pem()), "not signed by the owner"),
    "another kind of word": (lambda: signed(until(60).payload(), kind=release.PAYLOAD_TYPE), "the envelope holds"),
    "changed": (changed, "not signed by the owner"),
    "cut short": (lambda: signed(until(60).payload())[:-20], "no DSSE envelope"),
    "with more in it": (with_more, "more"),
    "of a later kind": (lambda: signed(msgspec.structs.replace(until(60), schema=2).payload()), "it is of"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_the_owners_word_on_this_node_is_refused_and_named(name: str) -> None:
    make, why = FOREIGN[name]
    write_private(path(), make())
    with pytest.raises(NotVerified, match=f"{DROP}/{NODE}.dsse.json does not verify: .*{why}") as told:
        overrides.in_force(DROP, NODE, WANTED)
    assert (told.value.exit_code, str(path()) in told.value.hint) == (6, True)


@pytest.fixture
def drop() -> Stack:
    """Harbour Lights, which is up as this machine knows it, with a current release."""
    stacks.save(Stack("lab", "lab", 16))
    file = str(ROOT / "inventory" / "drops" / f"{DROP}.yaml")
    stacks.save(Stack(DROP, "drop", 17, lab="lab", drop=DROP, drop_file=file, drop_stack=DROP))
    made = tiny_release(TinyImages())
    write_private(place("releases", "current", "lab"), made.digest.encode())
    prepare_drop(stacks.load(DROP))
    return stacks.load(DROP)


def settings(stack: Stack, node: str = NODE) -> NodeSettings:
    plan = plan_of(stack)
    wanted = release.wanted(stack.lab, plan.release)
    return _settings(plan, next(one for one in plan.nodes if one.name == node), DROP, plan_lab(16), wanted)


def other_release() -> Release:
    return tiny_release(TinyImages(), b"2")


def test_a_node_is_declared_with_the_release_of_its_override_and_says_so(drop: Stack) -> None:
    wanted, other = settings(drop), other_release()
    overrides.put(DROP, NODE, until(60, other.digest))
    made = settings(drop)
    assert (made.release, wanted.override) == (other.digest, "")
    assert f"override: release {other.digest[:12]} by ops@desk" in made.override
    assert {one.image for one in made.containers} == set(other.references(plan_lab(16).registry).values())
    assert made.told() == wanted.told() | {key: made.told()[key] for key in ("release", "settings")}
    assert overridden(drop) == (until(60, other.digest),)
    overrides.put(DROP, NODE, until(0, other.digest))
    assert settings(drop) == replace(wanted, files=settings(drop).files)
    assert overridden(drop) == ()


def test_a_spare_is_nobodys_to_override(drop: Stack) -> None:
    overrides.put(DROP, SPARE, msgspec.structs.replace(until(60, other_release().digest), node=SPARE))
    assert settings(drop, SPARE).override == ""


def test_one_of_a_release_that_is_not_here_is_refused(drop: Stack) -> None:
    overrides.put(DROP, NODE, until(60))
    with pytest.raises(NotVerified, match=f"release {OTHER[:12]} does not verify") as told:
        settings(drop)
    assert "edgedrop reimage" in told.value.hint
    with pytest.raises(NotVerified, match=f"release {OTHER[:12]} does not verify"):
        prepare_drop(drop)


def test_up_begins_nothing_beside_one_that_is_not_the_owners_word(drop: Stack) -> None:
    write_private(path(), changed())
    with pytest.raises(NotVerified, match="does not verify"):
        prepare_drop(drop)
