"""A box is asked only if it shows the site file's key; of what it doesn't tell is said why, and no wait is endless."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from infra.errors import NotVerified, Unreachable
from infra.site import reach
from infra.site.measured import PARTS, Cpu, Disk, Hub, Memory, Offset, System
from tests.unit.site.box import box

OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAE32lW/jREtf/8GCwR9JeNW0NUitcF614HuR7lOCmb"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


def python(folder: Path, script: str) -> dict[str, str]:
    """A box whose python3 is this script."""
    (folder / "python3").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "python3").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_a_box_tells_all_parts() -> None:
    heard: list[str] = []
    with box() as up:
        seen = reach.measure(up.spec, "127.0.0.1:1", heard.append)
    assert heard == list(PARTS)
    assert seen.why.keys() <= {*PARTS.values()} - {Cpu, Disk, Memory, Hub}, seen.why
    cpu, disk, hub, off = (seen.part(kind) for kind in (Cpu, Disk, Hub, Offset))
    assert isinstance(cpu, Cpu)
    assert cpu.signs_per_s > 1
    assert isinstance(disk, Disk)
    assert 0 < disk.p50_ms <= disk.p99_ms
    assert isinstance(hub, Hub)
    assert (hub.tries, hub.answered) == (50, 0), "nothing listens there"
    assert isinstance(off, Offset)
    assert abs(off.seconds) <= off.error_s + 0.001, "it is the same clock"


def test_nothing_is_run_on_a_box_that_shows_another_key() -> None:
    with box() as up:
        with pytest.raises(NotVerified, match="shows another host key"):
            reach.measure(up.spec.model_copy(update={"host_key": OTHER}), "", print)
        assert up.door.asked == []


def test_nothing_is_run_on_a_box_that_shows_a_key_of_another_kind() -> None:
    with box(shown=paramiko.ECDSAKey.generate()) as up:
        with pytest.raises(NotVerified, match="shows another host key"):
            reach.measure(up.spec, "", print)
        assert up.door.asked == []


def test_a_box_that_lets_us_in_by_no_key_names_the_command() -> None:
    with box(authorized=OTHER) as up, pytest.raises(Unreachable) as refused:
        reach.measure(up.spec, "", print)
    assert "edgedrop key" in refused.value.hint


def test_a_box_that_is_off() -> None:
    with box() as up:
        spec = up.spec
    with pytest.raises(Unreachable, match=r"a at 127\.0\.0\.1 does not answer: "):
        reach.measure(spec, "", print)


def test_a_box_without_python_says_so_of_every_part() -> None:
    with box(env={"PATH": "/nowhere"}) as up:
        seen = reach.measure(up.spec, "", print)
    assert "python3: command not found" in seen.why[System]
    assert Hub not in seen.why, "nobody asked for it"


def test_what_was_told_before_a_box_fell_silent_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "QUIET_S", 0.5)
    line = '{"part": "memory", "told": {"total_bytes": 2, "available_bytes": 1}}'
    with box(env=python(tmp_path, f"echo '{line}'; exec sleep 5")) as up:
        seen = reach.measure(up.spec, "", print)
    assert seen.part(Memory) == Memory(2, 1)
    assert seen.why[Disk] == "it fell silent"
    assert seen.part(Offset) is not None


def test_a_box_that_never_comes_to_an_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "WHOLE_S", 0.3)
    line = '{"part": "memory", "told": {"total_bytes": 2, "available_bytes": 1}}'
    with box(env=python(tmp_path, f"while echo '{line}'; do sleep 0.1; done")) as up:
        seen = reach.measure(up.spec, "", print)
    assert seen.part(Memory) == Memory(2, 1)
    assert seen.why[Disk] == "it took longer than 0.3 s"


def test_nonsense_is_no_figure(tmp_path: Path) -> None:
    with box(env=python(tmp_path, 'echo \'{"part": "memory", "told": {"total_bytes": "many"}}\'')) as up:
        seen = reach.measure(up.spec, "", print)
    assert seen.part(Memory) is None
    assert "total_bytes" in seen.why[Memory]


def test_a_part_that_could_not_be_measured_says_why(tmp_path: Path) -> None:
    with box(env=python(tmp_path, 'echo \'{"part": "disk", "why": "OSError: read-only"}\'')) as up:
        seen = reach.measure(up.spec, "", print)
    assert seen.why[Disk] == "OSError: read-only"
