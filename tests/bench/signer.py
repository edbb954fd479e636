"""Durable, HSM-signed vouchers through the signer's socket, against one signature a claim in the same run."""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import batched
from pathlib import Path

import msgspec
from coincurve import PrivateKey

from node_image.protocol import eip712
from node_image.protocol.signature import address_of
from node_image.signer.client import SignerClient
from tests.bench.measure import Measure
from tests.drop_on_disk import Drop, make_drop

CLIENTS = 4  # connections
OPEN = 512  # requests without an answer on each
MANY, FEW, LONE = 40_000, 1_000, 500
SLOW_MS, SLOW_MANY, SLOW_FEW = 70.0, 20_000, 40


def run() -> list[Measure]:
    """All measures of this bench."""
    load = f"{{}} claims, {CLIENTS} connections x {OPEN} open"
    fast, memory = throughput(MANY)
    one_each, _ = throughput(FEW, batch=1)
    slow, _ = throughput(SLOW_MANY, hsm_ms=SLOW_MS)
    slow_one_each, _ = throughput(SLOW_FEW, batch=1, hsm_ms=SLOW_MS)
    return [
        Measure("throughput_softhsm", "vouchers/s", fast, one_each, load.format(MANY)),
        Measure("throughput_hsm70ms", "vouchers/s", slow, slow_one_each, load.format(SLOW_MANY)),
        Measure("lone_p50_ms", "ms", lone_ms(), None, f"{LONE} claims, one after the other"),
        Measure("rss_mb", "MB", memory, None, f"the signer after {MANY} claims"),
    ]


def throughput(claims: int, *, batch: int = 0, hsm_ms: float = 0) -> tuple[float, float]:
    """Vouchers a second from the first request to the last answer, and the signer's memory (MB) after it."""
    with signer(batch, hsm_ms) as (drop, process):
        parts = [list(part) for part in batched(requests(drop, claims), -(-claims // CLIENTS), strict=False)]
        faults: list[str] = []
        threads = [threading.Thread(target=pump, args=(drop.socket, part, faults)) for part in parts]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = time.monotonic() - begun
        if faults:
            raise RuntimeError(f"{len(faults)} claims got no voucher, the first: {faults[0]}")
        return claims / spent, rss_mb(process.pid)


def lone_ms() -> float:
    """The median from request to answer of claims that come one by one."""
    with signer(0, 0) as (drop, _), socket.socket(socket.AF_UNIX) as line:
        line.connect(str(drop.socket))
        spent = []
        for request in requests(drop, LONE):
            begun = time.perf_counter()
            line.sendall(request)
            receive(line)
            spent.append(time.perf_counter() - begun)
        return statistics.median(spent) * 1000


@contextmanager
def signer(batch: int, hsm_ms: float) -> Iterator[tuple[Drop, subprocess.Popen[bytes]]]:
    """A signer process with a lease for all of them, on a SoftHSM2 token of its own."""
    with tempfile.TemporaryDirectory() as folder:
        drop = make_drop(Path(folder) / "d")
        command = [sys.executable, "-m", "tests.bench.signer_variant", str(batch), str(hsm_ms)]
        process = subprocess.Popen(command, env=drop.environment(), stdout=subprocess.DEVNULL)
        try:
            envelope = drop.lease(str(drop.ask("address")["key"]), quota=10_000_000)
            asyncio.run(SignerClient(drop.socket).ask("lease", envelope=envelope))
            yield drop, process
        finally:
            process.kill()
            process.wait()


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
    body = msgspec.msgpack.encode(told | {"signature": raw[:64] + bytes([27 + raw[64]])})
    return len(body).to_bytes(4, "big") + body


def pump(path: Path, parts: list[bytes], faults: list[str]) -> None:
    """Keep OPEN requests without an answer on one connection until all are answered."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        sent = done = 0
        while done < len(parts):
            if sent < len(parts) and sent - done <= OPEN // 2:
                line.sendall(b"".join(parts[sent : done + OPEN]))
                sent = min(len(parts), done + OPEN)
            answer = receive(line)
            done += 1
            if b"voucher" not in answer[:64]:
                faults.append(str(msgspec.msgpack.decode(answer)))


def receive(line: socket.socket) -> bytes:
    """One answer."""
    return exactly(line, int.from_bytes(exactly(line, 4), "big"))


def exactly(line: socket.socket, count: int) -> bytes:
    """That many bytes."""
    data = line.recv(count, socket.MSG_WAITALL)
    if len(data) != count:
        raise ConnectionError("the signer hung up")
    return data


def rss_mb(pid: int) -> float:
    """Resident memory."""
    fields = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) / 1000
