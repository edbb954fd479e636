"""A Redfish board without a board: sushy-tools' emulator, with one fake machine behind a user and a password."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import httpx

USER, PASSWORD = "field", "board-password"


@dataclass(frozen=True, slots=True)
class Board:
    """Where it is, and the file with its password."""

    url: str
    password_file: Path


@contextmanager
def board(folder: Path, power: str = "On") -> Iterator[Board]:
    """Running until the end; `power` is how its machine is found."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    machine = {"uuid": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "name": "box", "power_state": power, "nics": []}
    settings = {
        "SUSHY_EMULATOR_AUTH_FILE": str(folder / "htpasswd"),
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_FAKE_SYSTEMS": [machine],
    }
    config = folder / "emulator.conf"
    config.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    (folder / "bmc.password").write_text(PASSWORD + "\n")
    (folder / "bmc.password").chmod(0o600)
    words = [str(Path(sys.executable).parent / "sushy-emulator"), "--fake", "--config", str(config)]
    words += ["-i", "127.0.0.1", "-p", str(port)]
    # Its fake machine takes 1 to 11 s by chance; here the least.
    (folder / "sitecustomize.py").write_text("import random\nrandom.randint = lambda least, most: least\n")
    env = os.environ | {"PYTHONPATH": str(folder)}
    emulator = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = Board(f"http://127.0.0.1:{port}", folder / "bmc.password")
    try:
        _await(found)
        yield found
    finally:
        emulator.kill()
        emulator.wait()


def _await(found: Board) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{found.url}/redfish/v1/", trust_env=False)
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the emulator does not come up"
            time.sleep(0.1)  # the pace of asking
        else:
            return
