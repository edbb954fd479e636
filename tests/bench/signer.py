"""Durable, HSM-signed vouchers through the signer's socket, against one signature a claim in the same run.

The client is one thread on ready-made bytes: it shares the machine's cores with the signer. Throughput is by the wall's
clock, so what else the machine does counts; `cpu_us` is what the signer itself spends, its helper included.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from pathlib import Path

import msgspec
from coincurve import PrivateKey

from node_image.protocol import eip712
from node_image.protocol.signature import address_of
from node_image.signer.client import SignerAway, SignerClient
from node_image.signer.framing import HEAD, framed
from tests.bench.measure import Measure
from tests.bench.signer_journal import grow
from tests.drop_on_disk import Drop, make_drop

CLIENTS = 4  # connections
OPEN = 512  # requests without an answer on each
REFILL = 64  # answered before it sends more: the crowd stays as large as it is said to be
MANY, FEW, LONE = 40_000, 1_000, 500
SLOW_MS, SLOW_MANY, SLOW_FEW = 70.0, 20_000, 40
ISSUED = 1_000_000
READ = 1 << 18
START_S = 300.0
QUOTA = 10_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run came to."""

    a_second: float
    cpu_us: float
    rss_mb: float


def run() -> list[Measure]:
    """All measures of this bench."""
    busy = f"load average before {os.getloadavg()[0]:.1f}"
    load = f"{{}} claims, {CLIENTS} connections x {OPEN} open, {busy}"
    fast, one_each = throughput(MANY), throughput(FEW, batch=1)
    slow = throughput(SLOW_MANY, hsm_ms=SLOW_MS)
    slow_one_each = throughput(SLOW_FEW, batch=1, hsm_ms=SLOW_MS)
    return [
        Measure("throughput_softhsm", "vouchers/s", fast.a_second, one_each.a_second, load.format(MANY)),
        Measure("throughput_hsm70ms", "vouchers/s", slow.a_second, slow_one_each.a_second, load.format(SLOW_MANY)),
        Measure("cpu_us", "us/voucher", fast.cpu_us, one_each.cpu_us, load.format(MANY)),
        Measure("lone_p50_ms", "ms", lone_ms(), None, f"{LONE} claims, one after the other, {busy}"),
        Measure("rss_mb", "MB", full_mb(), None, f"signer and helper after {ISSUED} claims, {MANY} of them just now"),
    ]


def throughput(claims: int, *, batch: int = 0, hsm_ms: float = 0) -> Seen:
    """From the first request to the last answer."""
    with a_drop() as drop, signer(drop, batch, hsm_ms) as process:
        return sell(drop, process, requests(drop, claims))


def sell(drop: Drop, process: subprocess.Popen[bytes], asked: list[bytes]) -> Seen:
    """All of them, each connection its share."""
    lines = [Pump(drop.socket, list(part)) for part in batched(asked, -(-len(asked) // CLIENTS), strict=False)]
    cpu, begun = cpu_s(process.pid), time.monotonic()
    faults = pump(lines)
    spent = time.monotonic() - begun
    if faults:
        raise RuntimeError(f"{len(faults)} claims got no voucher, the first: {faults[0]}")
    return Seen(len(asked) / spent, (cpu_s(process.pid) - cpu) / len(asked) * 1e6, rss_mb(process.pid))


def lone_ms() -> float:
    """The median from request to answer of claims that come one by one."""
    with a_drop() as drop, signer(drop), socket.socket(socket.AF_UNIX) as line:
        line.connect(str(drop.socket))
        spent = []
        for request in requests(drop, LONE):
            begun = time.perf_counter()
            line.sendall(request)
            answer = line.recv(READ)
            spent.append(time.perf_counter() - begun)
            if b"voucher" not in answer[:64]:
                raise RuntimeError(f"no voucher but {answer!r}")
        return statistics.median(spent) * 1000


def full_mb() -> float:
    """The memory of a signer whose journal holds ISSUED claims, the last of them through its socket."""
    with a_drop() as drop:
        with signer(drop):
            pass  # its key, GRANT and LEASE frames
        (path,) = (drop.folder / "journal").glob("*.journal")
        grow(path, drop.facts, ISSUED - MANY)
        say(f"a journal of {path.stat().st_size >> 20} MiB")
        begun = time.monotonic()
        with signer(drop) as process:
            say(f"read in {time.monotonic() - begun:.0f} s, {rss_mb(process.pid):.0f} MB")
            return sell(drop, process, requests(drop, MANY)).rss_mb


@contextmanager
def a_drop() -> Iterator[Drop]:
    """On a SoftHSM2 token of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield make_drop(Path(folder) / "d")


@contextmanager
def signer(drop: Drop, batch: int = 0, hsm_ms: float = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A signer process with a lease for all of them, that may sell and has its helper."""
    command = [sys.executable, "-m", "tests.bench.signer_variant", str(batch), str(hsm_ms)]
    process = subprocess.Popen(command, env=drop.environment(), stdout=subprocess.DEVNULL)
    try:
        asyncio.run(lease(drop, process))
        deadline = time.monotonic() + START_S
        while len(family(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


async def lease(drop: Drop, process: subprocess.Popen[bytes]) -> None:
    """Once it is warm: a journal of a million claims takes its time to be read. Until then it hangs up on a lease."""
    client, deadline = SignerClient(drop.socket), time.monotonic() + START_S
    while True:
        try:
            if key := (await client.ask("status"))["key"]:
                await client.ask("lease", envelope=drop.lease(key, quota=QUOTA))
                await drop.witness.vouch(client)
                return
        except SignerAway:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
        await asyncio.sleep(0.1)


def requests(drop: Drop, claims: int) -> list[bytes]:
    """Signed ahead, as they go over the socket: buyers' work is no part of the signer's time."""
    numbers = range(claims)
    with ProcessPoolExecutor() as pool:
        return list(pool.map(partial(request, drop.facts.drop, drop.facts.domain().separator), numbers, chunksize=500))


def request(name: str, separator: bytes, number: int) -> bytes:
    """One claim by a wallet of its own."""
    wallet = PrivateKey()
    claim_id = f"claim-{number}"
    struct = eip712.claim_struct_hash(name, 0, 0, eip712.claim_hash(claim_id))
    raw = wallet.sign_recoverable(eip712.digest(separator, struct), hasher=None)
    told = {"id": number, "op": "claim", "claim_id": claim_id, "tier": 0, "slot": 0}
    told |= {"to": address_of(wallet.public_key.format(compressed=False))}
    return framed(msgspec.msgpack.encode(told | {"signature": raw[:64] + bytes([27 + raw[64]])}))


@dataclass(slots=True)
class Pump:
    """One connection that keeps up to OPEN requests without an answer."""

    path: Path
    parts: list[bytes]
    line: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))
    sent: int = 0
    done: int = 0
    data: bytes = b""
    faults: list[str] = field(default_factory=list)

    def send(self) -> None:
        """More, once some are answered."""
        if self.sent < len(self.parts) and self.sent - self.done <= OPEN - REFILL:
            self.line.sendall(b"".join(self.parts[self.sent : self.done + OPEN]))
            self.sent = min(len(self.parts), self.done + OPEN)

    def receive(self) -> None:
        """The answers that are there."""
        more = self.line.recv(READ)
        if not more:
            raise ConnectionError("the signer hung up")
        data, at = self.data + more, 0
        while len(data) - at >= HEAD and len(data) >= (end := at + HEAD + int.from_bytes(data[at : at + HEAD])):
            if data.find(b"voucher", at, at + 64) < 0:
                self.faults.append(str(msgspec.msgpack.decode(data[at + HEAD : end])))
            at, self.done = end, self.done + 1
        self.data = data[at:]


def pump(lines: list[Pump]) -> list[str]:
    """All connections until all is answered; what was no voucher."""
    with selectors.DefaultSelector() as ready:
        for one in lines:
            one.line.connect(str(one.path))
            one.send()
            ready.register(one.line, selectors.EVENT_READ, one)
        while any(one.done < len(one.parts) for one in lines):
            for key, _ in ready.select():
                key.data.receive()
                key.data.send()
    for one in lines:
        one.line.close()
    return [fault for one in lines for fault in one.faults]


def family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def rss_mb(pid: int) -> float:
    """Resident memory, the helper's too."""
    told = (Path(f"/proc/{one}/status").read_text().split("VmRSS:")[1].split() for one in family(pid))
    return sum(int(fields[0]) for fields in told) / 1000


def cpu_s(pid: int) -> float:
    """Processor time so far, the helper's too."""
    told = (Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split() for one in family(pid))
    return sum(int(fields[11]) + int(fields[12]) for fields in told) / os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    """How far it is."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  for who waits
