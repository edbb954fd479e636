"""A box below a folder: its door as systemd would start it, and programs that only write down how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra.home import ROOT
from node_image.protocol import command, dsse
from node_image.protocol.command import Action, Command
from node_image.recovery.answer import ASK, Answer
from node_image.recovery.place import Facts, Place

ACTIVATE = shutil.which("systemd-socket-activate")
OWNER, RESPONDER = dsse.new_private_pem(), dsse.new_private_pem()
STACK, NODE = "harbour-lights", "quay-appliance1"
FACTS = Facts(
    1,
    STACK,
    NODE,
    "127.0.0.1",
    ("mint", "signer", "courier"),
    {"owner": dsse.public_pem(OWNER).decode(), "responder": dsse.public_pem(RESPONDER).decode()},
)
SHIM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$EDGEDROP_ROOT/called"
[ -e "$EDGEDROP_ROOT/hangs" ] && sleep 60
[ "$1" = exec ] && cat > "$EDGEDROP_ROOT/given"
[ -e "$EDGEDROP_ROOT/fails" ] && echo "no such thing" && exit 1
[ -e "$EDGEDROP_ROOT/says" ] && cat "$EDGEDROP_ROOT/says" && exit 0
[ "$1" = ps ] && echo "edgedrop-mint running"
echo "said by $(basename "$0")"
"""


@dataclass(frozen=True, slots=True)
class FakeBox:
    """`place` is its root; nothing outside it is touched."""

    place: Place

    @property
    def env(self) -> dict[str, str]:
        """Of every process of the box."""
        root = self.place.root
        places = f"{root / 'bin'}:{os.environ['PATH']}"
        return os.environ | {"EDGEDROP_ROOT": str(root), "PATH": places, "PYTHONPATH": str(ROOT)}

    @property
    def called(self) -> list[str]:
        """Every program that the door started."""
        file = self.place.root / "called"
        return file.read_text().splitlines() if file.exists() else []

    def start(self, asked: bytes) -> subprocess.Popen[bytes]:
        """A door that has been asked."""
        words = [sys.executable, "-m", "node_image.recovery.door"]
        door = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env, start_new_session=True
        )
        assert door.stdin
        door.stdin.write(asked)
        door.stdin.close()
        return door

    def ask(self, asked: bytes = ASK) -> Answer:
        """One request to the door."""
        with self.start(asked) as door:
            assert door.stdout
            return msgspec.json.decode(door.stdout.read(), type=Answer)

    def tell(self, action: Action, sequence: int, **changes: object) -> Answer:
        """A right command, changed."""
        nonce = changes.get("nonce") or self.ask().nonce
        return self.ask(signed(action, sequence, **changes | {"nonce": nonce}))


def signed(action: Action, sequence: int, **changes: object) -> bytes:
    """For this box, by the responder, or by the owner what he alone commands."""
    now = int(time.time())
    told = Command(1, STACK, NODE, sequence, now - 60, now + 600, action)
    key = OWNER if isinstance(action, command.OWNERS) else RESPONDER
    return command.sign(msgspec.structs.replace(told, **changes), key)


@contextmanager
def open_door(box: FakeBox) -> Iterator[None]:
    """As systemd would: one door a connection."""
    carried = [f"-E{name}={box.env[name]}" for name in ("EDGEDROP_ROOT", "PATH", "PYTHONPATH")]
    words = [str(ACTIVATE), "--accept", "--inetd", "-l", str(box.place.socket), *carried]
    words += [sys.executable, "-m", "node_image.recovery.door"]
    with (box.place.root / "door.log").open("wb") as said:
        serving = subprocess.Popen(words, env=box.env, stderr=said)
    try:
        yield
    finally:
        serving.kill()
        serving.wait()


def make_box(root: Path, facts: Facts = FACTS, shim: str = SHIM) -> FakeBox:
    """As the role leaves it, but for its programs."""
    place = Place(root)
    place.settings.mkdir(parents=True)
    place.run.mkdir(parents=True)
    place.spool.mkdir(parents=True)
    (place.settings / "recovery.json").write_bytes(msgspec.json.encode(facts))
    (place.settings / "bus.secret").write_text("bus-secret")
    (root / "bin").mkdir()
    for name in ("docker", "systemctl", "systemd-run", "journalctl"):
        (root / "bin" / name).write_text(shim)
        (root / "bin" / name).chmod(0o755)
    return FakeBox(place)
