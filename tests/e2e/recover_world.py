"""A node that can be ill in every way: bus, agent and door are real; its engine and its mint are a folder of flags."""

from __future__ import annotations

import asyncio
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError

from infra import keys, stacks
from infra.home import ROOT
from infra.ops import command, looking, recover
from infra.ops.looking import Target
from infra.provision import commands
from infra.provision.commands import Wire
from infra.provision.power import Bmc
from infra.stacks import Stack
from node_image.bus.config import HUB_USER
from node_image.hub.ledger.streams import ensure
from node_image.recovery.place import Facts
from tests.e2e.hub_world import leaf_bus
from tests.unit.recovery.box import NODE, STACK, FakeBox, make_box, open_door

SERVICES = ("bus", "signer", "mint", "courier")
# Flags in the box's root: `down-<service>`, `hung` (the mint), `no-engine`, `for-good` (nothing helps), `no-ssh`.
FLAGS = ("hung", "no-engine", "for-good", "no-ssh")
SHIM = r"""#!/bin/bash
cd "$EDGEDROP_ROOT"
name=$(basename "$0")
[ "$name" = ssh ] || echo "$name $*" >> called
case "$name $1" in
"ssh "*) [ -e no-ssh ] && echo "ssh: connect to host: timed out" >&2 && exit 255
         for last; do :; done; exec sh -c "$last" ;;
"docker ps") [ -e no-engine ] && exit 1
         for one in bus signer mint courier; do
             if [ -e down-$one ]; then state=exited; else state=running; fi
             line=${!#}; line=${line//'{{.Names}}'/edgedrop-$one}; echo "${line//'{{.State}}'/$state}"
         done ;;
"docker exec") cat > given; echo '{"keys": ["enrol/quay-appliance1"]}' ;;
"docker restart") one=${!#}; one=${one#edgedrop-}; rm -f "down-$one"
         [ "$one" = mint ] && [ ! -e for-good ] && rm -f hung
         echo done ;;
"systemctl is-active") echo active ;;
"systemctl restart") case "$*" in
         *docker.service) [ -e for-good ] || rm -f no-engine hung ;;
         *edgedrop-recovery.service) sh start-agent >/dev/null 2>&1 & ;;
         esac ;;
esac
exit 0
"""


@dataclass
class World:
    """The node, with what may be done to it."""

    box: FakeBox
    home: Path
    hub: str
    leaf: str
    mint_port: int

    def flag(self, name: str) -> None:
        """Let it be ill."""
        (self.box.place.root / name).touch()

    @property
    def wire(self) -> Wire:
        """To its agent."""
        return Wire(self.hub.removeprefix("nats://"), STACK, NODE, ask_s=2.5)

    @property
    def changed(self) -> list[str]:
        """What was done to the box, without what was only looked at."""
        return [words for words in self.box.called if " restart " in words or "reboot" in words]

    @property
    def door_said(self) -> str:
        """Its log."""
        return (self.box.place.root / "door.log").read_text(errors="replace")

    def heal(self) -> None:
        """Nothing is wrong, nothing was done; its agent is heard. What it remembers of commands stays."""
        root = self.box.place.root
        for flag in (*root.glob("down-*"), *(root / name for name in ("called", *FLAGS))):
            flag.unlink(missing_ok=True)
        if not (root / "agent.pid").exists():
            self.start_agent()

    def start_agent(self) -> None:
        """As its unit does; it ends with the world."""
        words = ["sh", str(self.box.place.root / "start-agent")]
        subprocess.run(words, env=self.box.env, check=True, timeout=10)
        commands.ask(self.wire, 20)

    def kill_agent(self) -> None:
        """Where one runs."""
        pid = self.box.place.root / "agent.pid"
        if pid.exists():
            subprocess.run(["kill", "-9", pid.read_text().strip()], check=False, timeout=10)
            pid.unlink()


@contextmanager
def world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A drop that this machine brought up; the commands reach this world instead of the drop's addresses."""
    monkeypatch.setenv("EDGEDROP_HOME", str(folder / "home"))
    lab = Stack("lab", "lab", 16)
    drop = Stack(STACK, "drop", 17, "lab", "harbour-lights", str(ROOT / "inventory/drops/harbour-lights.yaml"), STACK)
    for one in (lab, drop):
        stacks.save(one)
    box = make_box(folder / "box", Facts(1, STACK, NODE, "127.0.0.1", SERVICES, keys.commanders()), SHIM)
    (box.place.root / "bin" / "ssh").write_text(SHIM)
    (box.place.root / "bin" / "ssh").chmod(0o755)
    for name in ("EDGEDROP_ROOT", "PATH"):
        monkeypatch.setenv(name, box.env[name])
    with ExitStack() as stack:
        (folder / "bus").mkdir()
        hub, leaf = stack.enter_context(leaf_bus(folder / "bus", keys.bus_secret()))
        stack.enter_context(open_door(box))
        asyncio.run(_streams(hub))
        made = World(box, folder / "home", hub, leaf, stack.enter_context(_mint(box)))
        _agent_script(made)
        stack.callback(made.kill_agent)
        _reach(made, monkeypatch)
        yield made


async def _streams(hub: str) -> None:
    """As the hub's ledger makes them, once it stands."""
    for _ in range(100):
        with suppress(OSError, NatsError):
            client = await nats.connect(hub, user=HUB_USER, password=keys.bus_secret(), allow_reconnect=False)
            await ensure(client.jetstream())
            await client.close()
            return
        await asyncio.sleep(0.1)  # the pace of asking
    raise AssertionError("the hub's bus does not come up")


def _agent_script(made: World) -> None:
    code = (
        "import asyncio; from node_image.recovery.agent import Agent; from node_image.recovery.place import Place; "
        f"place = Place.here(); asyncio.run(Agent(place, place.facts()).run(['{made.leaf}']))"
    )
    root = made.box.place.root
    script = f'{sys.executable} -c "{code}" >/dev/null 2>&1 & echo $! > {root}/agent.pid\n'
    (root / "start-agent").write_text(script)


def _reach(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    right = recover.target_of

    def target_of(name: str, drop: str | None, board: Bmc | None) -> Target:
        found = right(name, drop, board)
        assert (found.wire.stack, found.wire.node) == (STACK, NODE)
        geo = replace(found.geo, front_address="127.0.0.1")
        return replace(found, node=replace(found.node, address="127.0.0.1"), geo=geo, wire=made.wire)

    for module in (recover, command):
        monkeypatch.setattr(module, "target_of", target_of)
    monkeypatch.setattr(looking, "MINT_PORT", made.mint_port)


@contextmanager
def _mint(box: FakeBox) -> Iterator[int]:
    """Its mint's readiness, by the flags."""

    class Says(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            root = box.place.root
            if not any((root / flag).exists() for flag in ("hung", "down-mint", "no-engine")):
                self.send_response(200)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Says)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
