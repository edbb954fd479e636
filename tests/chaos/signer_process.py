"""The signer as a process of its own, with a bug in it or a fault before it, on a node's files made once and copied."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.drop_on_disk import Drop, make_drop

SIGNED = "signed"  # the file of all digests that the key was asked for


@contextmanager
def signer(drop: Drop, bug: str, inject: str = "", log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The signer process, under strace where a fault is to be injected."""
    command = [sys.executable, "-m", "tests.chaos.planted", bug, str(drop.folder / SIGNED)]
    if inject:
        journal = drop.folder / "journal" / "lights.quay-appliance1.1.journal"
        strace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            str(log),
            "-e",
            "trace=write,fdatasync",
            "-P",
            str(journal),
            "-e",
            inject,
        ]
        command = [*strace, *command]
    process = subprocess.Popen(
        command, env=drop.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
        process.wait()


def make_template(folder: Path) -> Drop:
    """A node's files with a token and a key in it: making them is no part of what is tried."""
    drop = make_drop(folder)
    process = drop.signer()
    try:
        drop.ask("address")
    finally:
        process.kill()
        process.wait()
    shutil.rmtree(folder / "journal")
    return drop


def copy_of(template: Drop, folder: Path) -> Drop:
    """The same node in another folder."""
    shutil.copytree(template.folder, folder, ignore=shutil.ignore_patterns("*.sock"))
    config = f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n"
    (folder / "softhsm2.conf").write_text(config)
    return replace(template, folder=folder)
