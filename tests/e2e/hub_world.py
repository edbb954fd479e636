"""A hub as processes of this machine: NATS, PostgreSQL, anvil, and our services as the lab runs them; no containers."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nats
from nats.aio.client import Client
from sqlalchemy import Engine, create_engine

from node_image.bus.config import hub_config, leaf_config
from node_image.hub.ledger.streams import ensure
from node_image.protocol import dsse

CACHE = Path(os.environ.get("EDGEDROP_CACHE") or Path.home() / ".cache" / "edgedrop")
NATS = CACHE / "bin" / "nats-server"
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def missing() -> str:
    """What this machine lacks for it; empty when nothing."""
    if not NATS.exists():
        return "no nats-server in the cache: make setup"
    return "" if POSTGRES else "no PostgreSQL binaries here"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def nats_server(folder: Path) -> Iterator[str]:
    """JetStream in a folder; its address."""
    port = free_port()
    command = [str(NATS), "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", str(folder)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@contextmanager
def leaf_bus(folder: Path, secret: str) -> Iterator[tuple[str, str]]:
    """The hub's bus and a node's leaf, with the configurations as the lab and a node have them; their addresses."""
    clients, leaves, own = free_port(), free_port(), free_port()
    hub_text = hub_config(secret).replace("0.0.0.0:4222", f"127.0.0.1:{clients}")
    hub_text = hub_text.replace("0.0.0.0:7422", f"127.0.0.1:{leaves}").replace("/var/lib/nats", str(folder / "store"))
    leaf_text = leaf_config("127.0.0.1", secret).replace(":7422", f":{leaves}").replace(":4222", f":{own}")
    with ExitStack() as stack:
        for name, text in (("hub", hub_text), ("leaf", leaf_text)):
            file = folder / f"{name}.conf"
            file.write_text(text.replace("127.0.0.1:8222", "127.0.0.1:-1"))
            server = subprocess.Popen([NATS, "-c", file], stderr=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.kill)
        yield f"nats://127.0.0.1:{clients}", f"nats://127.0.0.1:{own}"


@contextmanager
def postgres() -> Iterator[Engine]:
    """A server of its own; PostgreSQL refuses to run as root, so it runs as its own user where we are root."""
    assert POSTGRES is not None
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder, port = tempfile.mkdtemp(prefix="edgedrop-pg-"), free_port()
    if user:
        shutil.chown(folder, "postgres")

    def run(*words: str) -> None:
        subprocess.run([*user, *words], check=True, cwd="/", stdout=subprocess.DEVNULL)

    control = (str(POSTGRES / "pg_ctl"), "-D", f"{folder}/d", "-w", "-l", f"{folder}/log")
    run(str(POSTGRES / "initdb"), "-D", f"{folder}/d", "-A", "trust", "-U", "edgedrop")
    run(*control, "-o", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1", "start")
    made = create_engine(f"postgresql+psycopg://edgedrop@127.0.0.1:{port}/postgres")
    try:
        yield made
    finally:
        made.dispose()
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@dataclass
class Hub:
    """Ledger, relayer and anchorer, started and killed by name; what they are told stands in `environment`."""

    folder: Path
    bus: str
    engine: Engine
    chain_url: str
    owner: bytes = field(default_factory=dsse.new_private_pem)
    witness: bytes = field(default_factory=dsse.new_private_pem)
    keys: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Each until it answers; a port that somebody took since it was found free is another port the next time."""
        for name in names:
            for last in (False, False, True):
                self._launch(name)
                try:
                    wait_for(lambda name=name: self._alive(name), 60, name)  # type: ignore[misc]
                    break
                except AssertionError as fault:
                    if last or "Address already in use" not in str(fault):
                        raise

    def _launch(self, name: str) -> None:
        self.ports[name] = free_port()
        environment = os.environ | self._environment() | {"EDGEDROP_PORT": str(self.ports[name])}
        log = (self.folder / f"{name}.log").open("wb")
        self.running[name] = subprocess.Popen(
            [sys.executable, "-m", f"node_image.hub.{name}"], env=environment, stderr=log
        )

    def kill(self, *names: str) -> None:
        """SIGKILL, as a power cut does it."""
        for name in names:
            process = self.running.pop(name)
            process.kill()
            process.wait()

    def get(self, path: str) -> httpx.Response:
        """From the ledger's HTTP face."""
        return httpx.get(f"http://127.0.0.1:{self.ports['ledger']}{path}", timeout=10)

    def publish(self, *messages: tuple[str, bytes, dict[str, str]]) -> None:
        """On the bus, as (subject, body, headers)."""

        async def send() -> None:
            client = await nats.connect(self.bus)
            stream = client.jetstream(timeout=10)
            await ensure(stream)
            for subject, body, headers in messages:
                await stream.publish(subject, body, headers=headers)
            await client.close()

        asyncio.run(send())

    def ask[T](self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """With a client of the bus."""

        async def run() -> T:
            client = await nats.connect(self.bus)
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def _environment(self) -> dict[str, str]:
        files = {"owner_public_key": dsse.public_pem(self.owner), "witness_key": self.witness, "db_secret": b"-"}
        files |= {"bus_secret": b"-"} | {f"{name}_key": key.encode() for name, key in self.keys.items()}
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
        places = {f"EDGEDROP_{name.upper()}_FILE": str(self.folder / name) for name in files}
        url = self.engine.url
        database = {"HOST": url.host, "PORT": url.port, "NAME": url.database, "USER": url.username}
        told = {f"EDGEDROP_DATABASE_{name}": str(value) for name, value in database.items()}
        return told | places | {"EDGEDROP_BUS_URL": self.bus, "EDGEDROP_CHAIN_URL": self.chain_url} | self.settings

    def _alive(self, name: str) -> bool:
        if self.running[name].poll() is not None:
            raise AssertionError(f"{name} ended: {(self.folder / f'{name}.log').read_text()[-2000:]}")
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=2).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def hub(folder: Path, chain_url: str) -> Iterator[Hub]:
    """The ground; services are started by the test."""
    with ExitStack() as stack:
        bus = stack.enter_context(nats_server(folder / "nats"))
        made = Hub(folder, bus, stack.enter_context(postgres()), chain_url)
        try:
            yield made
        finally:
            made.kill(*list(made.running))


def wait_for(true: Callable[[], bool], seconds: float, what: str, every: float = 0.1) -> float:
    """Poll until it holds; how long it took."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"{what}: not after {seconds} s")
        time.sleep(every)
    return time.monotonic() - begun
