"""The audit trail: written before an act and after it, and no line of it changes unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from infra import audit, keys
from infra.errors import EdgedropError, NotVerified, Unreachable
from node_image.protocol import dsse


@pytest.fixture(autouse=True)
def trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    return tmp_path / "audit" / "trail.jsonl"


def entries() -> tuple[audit.Entry, ...]:
    return audit.verify(audit.lines(), dsse.public_pem(keys.owner_pem()))


def act(why: str = "it lies") -> None:
    with audit.audited("failover", "lights", ["quay-spare1", "quay-appliance1"], why):
        pass


def test_who_what_when_why_and_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ada")
    act()
    begun, done = entries()
    assert begun.who.startswith("ada@")
    assert (begun.what, begun.stack, begun.why) == ("failover", "lights", "it lies")
    assert begun.nodes == ("quay-appliance1", "quay-spare1")
    assert (begun.result, done.result, done.of) == ("begun", "done", begun.number)
    assert done.before == audit.digest(audit.lines()[0])


def test_it_stands_there_before_anything_is_done() -> None:
    with audit.audited("drain", "lights", ["quay-spare1"]):
        assert [one.result for one in entries()] == ["begun"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [(Unreachable("the front is silent"), "the front is silent"), (KeyboardInterrupt(), "KeyboardInterrupt")],
)
def test_how_it_failed_is_told_and_the_fault_goes_on(fault: BaseException, told: str) -> None:
    with pytest.raises(type(fault)), audit.audited("drain", "lights", []):
        raise fault
    assert entries()[1].result == f"failed: {told}"


def test_a_line_that_a_kill_cut_short_goes_and_nothing_else(trail: Path) -> None:
    act()
    whole = trail.read_bytes()
    trail.write_bytes(whole + b'{"payload":"half')
    assert len(entries()) == 2
    act("again")
    assert trail.read_bytes().startswith(whole)
    assert [one.number for one in entries()] == [0, 1, 2, 3]


def changed(lines: list[bytes]) -> list[bytes]:
    """By somebody with another key."""
    entry = msgspec.json.decode(dsse.verify(lines[1], audit.KIND, dsse.public_pem(keys.owner_pem())))
    return [lines[0], dsse.sign(audit.KIND, msgspec.json.encode(entry | {"who": "nobody"}), dsse.new_private_pem())]


FORGED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "changed": changed,
    "first out": lambda lines: lines[1:],
    "one out": lambda lines: [lines[0], *lines[2:]],
    "one put in": lambda lines: [lines[0], lines[0], *lines[1:]],
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_line_changed_taken_out_or_put_in_is_found(trail: Path, forge: Callable[[list[bytes]], list[bytes]]) -> None:
    act()
    act()
    found = list(audit.lines())
    trail.write_bytes(b"".join(line + b"\n" for line in forge(found)))
    with pytest.raises(NotVerified, match=r"line [123]"):
        entries()


def test_where_it_cannot_be_written_nothing_is_done(trail: Path) -> None:
    act()
    trail.unlink()
    trail.mkdir()
    with pytest.raises(EdgedropError, match="can't be written"):
        act()


def test_only_its_owner_reads_it(trail: Path) -> None:
    act()
    assert trail.stat().st_mode & 0o777 == 0o600
