"""The watch on a box: what it looks at, what it does, and what keeps it from doing it."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from node_image.recovery import ladder, watch
from node_image.recovery.ladder import History, Look, Step
from node_image.recovery.memory import Memory
from tests.unit.recovery.box import FakeBox

LONG = 10_000
HUNG = Look(LONG, frozenset({"mint"}), engine=True)


@pytest.fixture
def on_box(box: FakeBox, monkeypatch: pytest.MonkeyPatch) -> FakeBox:
    """This process is the box's."""
    for name in ("EDGEDROP_ROOT", "PATH"):
        monkeypatch.setenv(name, box.env[name])
    return box


def ill_since(box: FakeBox, at: int, **more: object) -> None:
    box.place.watch.mkdir(parents=True, exist_ok=True)
    history = msgspec.structs.replace(History({"mint": at}), **more)
    (box.place.watch / "seen.json").write_bytes(msgspec.json.encode(history))


def test_what_hangs_is_restarted_by_its_fixed_words_and_remembered(on_box: FakeBox) -> None:
    ill_since(on_box, LONG - ladder.PATIENCE_S)
    assert watch.turn(on_box.place, HUNG) == Step("restart", LONG, "mint")
    assert on_box.called == ["docker restart --time 10 edgedrop-mint"]
    assert watch.turn(on_box.place, HUNG) is None
    assert watch.Kept(on_box.place).read().steps == (Step("restart", LONG, "mint"),)


def test_a_reboot_is_counted_on_disk_before_it_is_done(on_box: FakeBox) -> None:
    spent = (*(Step("restart", LONG - 2000 + n, "mint") for n in range(2)), Step("engine", LONG - 1900))
    ill_since(on_box, LONG - 3000, steps=spent)
    assert watch.turn(on_box.place, HUNG) == Step("reboot", LONG)
    assert (on_box.place.memory / "reboots").read_text() == "1"
    assert on_box.called[-1].endswith("systemctl reboot")
    (on_box.place.memory / "reboots").write_text("not a number")
    assert watch.Kept(on_box.place).read().reboots == ladder.REBOOTS, "then there is none left"


def test_where_it_can_not_be_remembered_nothing_is_done(on_box: FakeBox) -> None:
    on_box.place.watch.parent.mkdir(exist_ok=True)
    on_box.place.watch.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="edgedrop-watch"):
        watch.turn(on_box.place, HUNG)
    assert on_box.called == []


def test_only_what_runs_is_asked(on_box: FakeBox) -> None:
    asked: list[str] = []

    def probe(name: str) -> bool:
        asked.append(name)
        return False

    (on_box.place.root / "bin" / "docker").write_text("#!/bin/sh\necho edgedrop-mint\n")
    seen = watch.look({"mint": lambda: probe("mint"), "signer": lambda: probe("signer")})
    assert (asked, seen.hung, seen.engine) == (["mint"], frozenset({"mint"}), True)
    (on_box.place.root / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    assert watch.look({}).ill == {ladder.ENGINE}


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    class Says(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    found = http.server.HTTPServer(("127.0.0.1", 0), Says)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()


def test_a_refusal_is_an_answer_and_silence_is_none(server: http.server.HTTPServer, tmp_path: Path) -> None:
    assert watch.speaks(f"http://127.0.0.1:{server.server_port}/livez")
    assert not watch.speaks("http://127.0.0.1:1/livez")
    assert not watch.signs(tmp_path / "no.sock")


def test_while_a_command_is_done_it_looks_away(box: FakeBox) -> None:
    words = [sys.executable, "-m", "node_image.recovery.watch"]
    with Memory(box.place.memory).alone():
        done = subprocess.run(words, env=box.env, capture_output=True, text=True, timeout=30, check=True)
    assert "looks away" in done.stderr
    assert box.called == []
    subprocess.run(words, env=box.env, capture_output=True, timeout=30, check=True)
    assert box.called == ["docker ps --filter status=running --format {{.Names}}"]
