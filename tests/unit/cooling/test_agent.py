"""The agent over a tree of files and a clock that the test turns: what it writes, drives, remembers and says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from node_image.cooling import told
from node_image.cooling.agent import STALE_S, Agent, Places
from node_image.cooling.curve import FULL, QUIET
from node_image.cooling.metrics import exposition
from node_image.cooling.web import line
from tests.sensor_tree import DIE, DIE_NAME, FAN_NAME, MODE, PWM, ZONE, SensorTree, make_tree

HOT = 88_000


@dataclass
class Box:
    """A tree, an agent over it, and the time."""

    tree: SensorTree
    places: Places
    now: float = 100.0
    agent: Agent = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.agent = Agent(self.places, clock=lambda: self.now)

    def looks(self, seconds: int) -> told.Told:
        """One look a second; the last one's document as the other services read it."""
        for _ in range(seconds):
            self.now += 1
            self.agent.take(self.agent.look())
            self.agent.drive()
        found = told.read_fresh(self.places.run / told.FILE)
        assert found == self.agent.document
        assert found is not None
        return found


@pytest.fixture
def box(tmp_path: Path) -> Box:
    for name in ("proc", "run"):
        (tmp_path / name).mkdir()
    (tmp_path / "proc" / "stat").write_text("cpu 10 0 10 80 0 0 0 0 0 0\n")
    return Box(make_tree(tmp_path / "class"), Places(tmp_path / "class", tmp_path / "proc", tmp_path / "run"))


def test_a_cool_box_has_its_whole_weight_and_quiet_fans(box: Box) -> None:
    found = box.looks(3)
    assert (found.rung, found.weight, found.reason, found.pwm) == ("normal", 100, "", QUIET)
    assert (box.tree.number(PWM), box.tree.number(MODE)) == (QUIET, 1)
    assert [(one.celsius, one.verdict) for one in found.sensors] == [(35.0, "sound")] * 3
    assert line(box.agent) == b"100%\n"


def test_a_hot_box_is_stopped_and_its_fans_run_full(box: Box) -> None:
    box.looks(3)
    box.tree.heat(65_000)
    box.looks(2)
    box.tree.heat(HOT)
    found = box.looks(1)
    assert (found.stopped, found.weight, box.tree.number(PWM)) == (True, 0, FULL)
    assert "2.0 degrees below its limit" in found.reason
    assert line(box.agent) == b"0%\n"


def test_the_front_is_told_weights_and_never_a_state(box: Box) -> None:
    """`drain` or `ready` would take an operator's own away; `up` would outvote the health check."""
    for celsius in (45, 65, 80, 89):
        box.tree.heat(celsius * 1000)
        box.looks(1)
        assert line(box.agent) in {b"100%\n", b"50%\n", b"0%\n"}


def test_without_a_look_for_a_while_the_front_is_told_nothing(box: Box) -> None:
    assert line(box.agent) == b""
    box.looks(1)
    box.now += STALE_S + 1
    assert line(box.agent) == b""


def test_a_fan_that_does_not_obey_is_told(box: Box) -> None:
    (box.tree.folder / PWM).unlink()
    (box.tree.folder / PWM).mkdir()
    box.looks(1)
    asyncio.run(one_round(box.agent))
    found = told.read(box.places.run / told.FILE)
    assert found is not None
    assert [(one.name, one.obeys) for one in found.fans] == [(FAN_NAME, False)]
    assert f"{FAN_NAME} does not obey" in found.reason


async def one_round(agent: Agent, until: Callable[[], bool] = lambda: True) -> None:
    """The real loop, until `until`, ten seconds at most; two rounds at least."""
    loop, bound = asyncio.create_task(agent.run(0.01)), time.monotonic() + 10
    await asyncio.sleep(0.1)
    while not until() and time.monotonic() < bound and not loop.done():  # noqa: ASYNC110  the pace of asking
        await asyncio.sleep(0.01)
    loop.cancel()


def test_fans_are_given_back_to_who_drove_them(box: Box) -> None:
    box.looks(1)
    box.agent.fans.give_back()
    assert box.tree.number(MODE) == 5


def test_fans_that_nobody_else_drives_are_left_at_full_speed(box: Box) -> None:
    box.tree.write(MODE, 1)
    box.looks(1)
    box.agent.fans.give_back()
    assert (box.tree.number(MODE), box.tree.number(PWM)) == (1, FULL)


def test_a_sensor_that_went_while_the_agent_was_away_is_missed(box: Box) -> None:
    box.looks(2)
    for name in ("hwmon/hwmon0/name", ZONE):
        box.tree.remove(name)
    box.restart()
    found = box.looks(5)
    assert {one.verdict for one in found.sensors} == {"vanished"}
    assert (found.rung, found.weight) == ("reduced", 50)


def test_a_stop_is_not_left_by_a_restart_but_by_a_night(box: Box) -> None:
    box.looks(1)
    box.tree.heat(65_000)
    box.looks(1)
    box.tree.heat(HOT)
    box.looks(1)
    for name in ("hwmon/hwmon0/name", ZONE):
        box.tree.remove(name)
    box.restart()
    assert box.looks(5).rung == "stop", "no sensor is believed"
    old = time.time() - told.FRESH_S - 1
    os.utime(box.places.run / told.FILE, (old, old))
    box.restart()
    assert box.looks(5).rung == "reduced"


def test_a_read_that_hangs_is_a_sensor_that_vanished(box: Box) -> None:
    """As on a bus that is locked up: the file is a pipe that nobody writes to. Nothing waits for it but its thread."""
    box.looks(2)
    box.agent = Agent(box.places)
    box.tree.remove(DIE)
    os.mkfifo(box.tree.folder / DIE)
    writer = threading.Timer(12, lambda: os.close(os.open(box.tree.folder / DIE, os.O_RDWR)))
    asked = time.monotonic()

    def noticed() -> bool:
        document = box.agent.document
        return document is not None and any(one.verdict == "vanished" for one in document.sensors)

    async def run() -> None:
        await one_round(box.agent, noticed)
        writer.cancel()
        fd = os.open(box.tree.folder / DIE, os.O_RDWR)  # lets the thread go
        await asyncio.sleep(0.05)
        os.close(fd)

    writer.start()
    asyncio.run(run())
    assert noticed()
    assert time.monotonic() - asked < 10


def test_a_file_that_cannot_be_written_is_no_reason_to_stop_cooling(box: Box) -> None:
    (box.places.run / told.FILE).with_suffix(".part").mkdir()
    box.tree.heat(65_000)
    for _ in range(2):
        box.now += 1
        box.agent.take(box.agent.look())
        box.agent.drive()
    assert box.tree.number(PWM) == FULL


def test_an_agent_whose_loop_falls_ends_so_that_it_is_started_again(box: Box) -> None:
    """Without its loop it would tell an old weight for ever."""
    script = (
        "import sys, uvicorn; from pathlib import Path; from node_image.cooling.agent import Agent, Places; "
        "from node_image.cooling.web import make_app; agent = Agent(Places(*map(Path, sys.argv[1:])));"
        "agent.look = lambda: 1 / 0; uvicorn.run(make_app(agent, '127.0.0.1', 0, 0.1), port=0, log_level='error')"
    )
    places = [str(one) for one in (box.places.tree, box.places.proc, box.places.run)]
    done = subprocess.run([sys.executable, "-c", script, *places], capture_output=True, timeout=30, check=False)
    assert (done.returncode, b"ZeroDivisionError" in done.stderr) == (-signal.SIGTERM, True)


def test_the_load_is_the_share_of_busy_time_since_the_last_look(box: Box) -> None:
    assert box.agent.look().load is None
    (box.places.proc / "stat").write_text("cpu 40 0 40 100 20 0 0 0 0 0\n")
    assert box.agent.look().load == pytest.approx(0.6)


def test_the_disk_of_the_volume_is_looked_at(box: Box) -> None:
    found = os.statvfs(box.places.run)
    assert box.agent.look().free == pytest.approx(found.f_bavail * found.f_frsize, rel=0.2)


def test_metrics_say_what_the_document_says(box: Box) -> None:
    text = exposition(box.looks(1)).decode()
    assert f'edgedrop_cooling_celsius{{sensor="{DIE_NAME}"}} 35.0' in text
    assert "edgedrop_cooling_weight_percent 100.0" in text
    assert "edgedrop_cooling_seconds_to_limit +Inf" in text
    assert "edgedrop_cooling_looked 0.0" in exposition(None).decode()


def test_an_old_word_is_no_word(box: Box) -> None:
    box.looks(1)
    file = box.places.run / told.FILE
    old = time.time() - told.FRESH_S - 1
    os.utime(file, (old, old))
    assert told.read(file) is not None
    assert told.read_fresh(file) is None
    file.write_text(json.dumps({"schema": 1}))
    assert told.read(file) is None
