"""The audit trail: written before an act and after it, and no line of it changes unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from infra import audit, keys
from infra.errors import EdgedropError, NotVerified, Unreachable
from node_image.protocol import dsse
from node_image.protocol import trail as lines


@pytest.fixture(autouse=True)
def trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    return tmp_path / "audit" / "trail.jsonl"


def act(why: str = "it lies") -> None:
    with audit.audited("failover", "lights", ["quay-spare1", "quay-appliance1"], why):
        pass


def test_who_what_when_why_and_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ada")
    act()
    begun, done = audit.entries()
    assert begun.who.startswith("ada@")
    assert (begun.what, begun.stack, begun.why) == ("failover", "lights", "it lies")
    assert begun.nodes == ("quay-appliance1", "quay-spare1")
    assert (begun.result, done.result, done.of) == ("begun", "done", begun.number)
    assert done.before == lines.digest(audit.lines()[0])


def test_it_stands_there_before_anything_is_done() -> None:
    with audit.audited("drain", "lights", ["quay-spare1"]):
        assert [one.result for one in audit.entries()] == ["begun"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [(Unreachable("the front is silent"), "the front is silent"), (KeyboardInterrupt(), "KeyboardInterrupt")],
)
def test_how_it_failed_is_told_and_the_fault_goes_on(fault: BaseException, told: str) -> None:
    with pytest.raises(type(fault)), audit.audited("drain", "lights", []):
        raise fault
    assert audit.entries()[1].result == f"failed: {told}"


def test_a_line_that_a_kill_cut_short_goes_and_nothing_else(trail: Path) -> None:
    act()
    whole = trail.read_bytes()
    trail.write_bytes(whole + b'{"payload":"half')
    assert len(audit.entries()) == 2
    act("again")
    assert trail.read_bytes().startswith(whole)
    assert [one.number for one in audit.entries()] == [0, 1, 2, 3]


def changed(found: list[bytes]) -> list[bytes]:
    """By somebody with another key."""
    entry = msgspec.json.decode(dsse.verify(found[1], lines.KIND, dsse.public_pem(keys.owner_pem())))
    return [found[0], dsse.sign(lines.KIND, msgspec.json.encode(entry | {"who": "nobody"}), dsse.new_private_pem())]


FORGED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "changed": changed,
    "first out": lambda found: found[1:],
    "one out": lambda found: [found[0], *found[2:]],
    "one put in": lambda found: [found[0], found[0], *found[1:]],
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_line_changed_taken_out_or_put_in_is_found(trail: Path, forge: Callable[[list[bytes]], list[bytes]]) -> None:
    act()
    act()
    found = list(audit.lines())
    trail.write_bytes(b"".join(line + b"\n" for line in forge(found)))
    with pytest.raises(NotVerified, match=r"line [123]"):
        audit.entries()


def test_where_it_cannot_be_written_nothing_is_done(trail: Path) -> None:
    act()
    trail.unlink()
    trail.mkdir()
    with pytest.raises(EdgedropError, match="can't be written"):
        act()


def test_only_its_owner_reads_it(trail: Path) -> None:
    act()
    assert trail.stat().st_mode & 0o777 == 0o600
