"""HAProxy of the front's own image on this machine's loopback, for tests and benches with nodes of their own."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.box import image
from tests.e2e.standing import docker


def start_haproxy(folder: Path, run: str) -> None:
    """With the folder's haproxy.cfg; `sweep(run)` takes it away."""
    label = ("--label", f"edgedrop.stack={run}")
    settings = ("--network", "host", "--user", "0", "-v", f"{folder}:{folder}", "--entrypoint", "haproxy")
    docker("run", "-d", "--name", run, *label, *settings, image("front")["id"], "-db", "-f", f"{folder}/haproxy.cfg")
