"""Which containers run on though the engine has forgotten them (a real one: tests/e2e/test_playbooks.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node_image.recovery.forgotten import Shim, forgotten, shims, started

OLD, NEW = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("shim", "running", "ends"),
    [
        (Shim(7, OLD, 100), set(), True),
        (Shim(7, OLD, 100), {OLD}, False),
        (Shim(7, OLD, 201), set(), False),  # of a container that the engine is just starting
        (Shim(7, OLD, 100), {NEW}, True),
    ],
)
def test_what_is_older_than_the_engine_and_not_listed_is_forgotten(shim: Shim, running: set[str], ends: bool) -> None:
    assert forgotten([shim], frozenset(running), 200) == ((shim,) if ends else ())


def process(proc: Path, pid: int, words: str, ticks: int) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_text("\0".join(words.split()) + "\0")
    (folder / "stat").write_text(f"{pid} (a) name) S 1 {' '.join('0' * 17)} {ticks} 0 0")


def test_shims_of_dockers_containers_are_found_by_their_words(tmp_path: Path) -> None:
    shim = "/usr/bin/containerd-shim-runc-v2 -namespace {} -id {} -address /run/containerd/containerd.sock"
    process(tmp_path, 7, shim.format("moby", OLD), 123)
    process(tmp_path, 8, shim.format("k8s.io", NEW), 124)
    process(tmp_path, 9, "tini -- python3 -m node_image.mint", 125)
    (tmp_path / "self").mkdir()
    (tmp_path / "10").mkdir()  # it ends while it is looked at
    assert shims(tmp_path) == (Shim(7, OLD, 123),)


def test_a_process_that_began_later_says_so() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as later:
        assert started(later.pid) >= started(os.getpid()) > 0
        later.communicate(b"\n")
