"""The signer killed at every write and sync of its journal, its syncs failing, its disk full: what it answered stands.

A batch is one write: what a power cut leaves of one is made by a limit on the file's size, and a kill after it. Strace
injects the others into the real process, on the journal's path alone. SEEDS says how often each point is met.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import batched
from pathlib import Path
from typing import Any

import msgspec

from node_image.protocol import voucher
from node_image.protocol.eip712 import digest
from node_image.protocol.errors import NotVerified
from node_image.protocol.examine import Examined, examine
from node_image.protocol.journal import BatchRecord
from node_image.protocol.rules import Claim
from node_image.signer.client import SignerAway, SignerClient, SignerRefused
from tests.chaos import outside
from tests.chaos.outcome import Outcome
from tests.chaos.planted import BUGS
from tests.chaos.signer_process import SIGNED, copy_of, make_template, signer
from tests.drop_on_disk import Drop

SEEDS = int(os.environ.get("SEEDS", "20"))
CLAIMS, QUOTA, START = 12, 10, 100
WRITES, SYNCS = 16, 8  # points that the few claims of a run come to
CUT, CUTS, CUT_BYTES = "cut", 10, 211  # places in the journal at which no byte more is taken
FORGED = "forged"
SIDE_BY_SIDE = 4
ALIVE_S = 30.0
FAULTS = {
    "SIGKILL at a write": ("write", "signal=KILL", WRITES),
    "SIGKILL at a sync": ("fdatasync", "signal=KILL", SYNCS),
    "EIO at a sync": ("fdatasync", "error=EIO", SYNCS),
    "disk full at a write": ("write", "error=ENOSPC", WRITES),
    "disk full in a write's midst, then SIGKILL": (CUT, "", CUTS),
}


@dataclass
class Run:
    """One run: what was answered before and after the fault, and what of that is wrong."""

    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    met: bool = False


def run() -> list[Outcome]:
    """All faults on the signer as it is, then one of each on every planted bug."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        template = make_template(Path(folder) / "template")
        found = []
        for fault, (_, _, points) in FAULTS.items():
            tries = [(fault, point, seed) for point in range(1, points + 1) for seed in range(SEEDS)]
            runs = list(pool.map(lambda told: one(template, *told), tries))
            met = [one_run for one_run in runs if one_run.met]
            broken = [one_run for one_run in met if one_run.wrong]
            detail = broken[0].wrong[0] if broken else ""
            found.append(Outcome(fault, len(met), len(broken), detail=detail))
        caught = pool.map(lambda bug: any(_caught(template, *told) for told in _tries(bug)), BUGS)
        hidden = [bug for bug, was_caught in zip(BUGS, caught, strict=True) if not was_caught]
        detail = f"not found: {', '.join(hidden)}" if hidden else ""
        found.append(Outcome("planted bugs", len(BUGS), 0, len(BUGS) - len(hidden), len(BUGS), detail))
        return [*found, *outside.outcomes(template, pool)]


def _tries(bug: str) -> list[tuple[str, int, int, str]]:
    return [(fault, point, 0, bug) for fault, (_, _, points) in FAULTS.items() for point in range(1, points + 1)]


def _caught(template: Drop, fault: str, point: int, seed: int, bug: str) -> bool:
    """By a broken promise; or, where the signer never makes the call at all, by that."""
    seen = one(template, fault, point, seed, bug)
    return bool(seen.wrong) or (not seen.met and point == 1)


def one(template: Drop, fault: str, point: int, seed: int, bug: str = "none") -> Run:
    """One signer, one fault at its `point`th call, one restart where it died; then every claim is asked for again."""
    call, what, _ = FAULTS[fault]
    done, rng = Run(), random.Random(seed)  # noqa: S311  a seed that can be said again
    with tempfile.TemporaryDirectory() as folder:
        drop = copy_of(template, Path(folder) / "d")
        claims = [drop.claim(f"c{number}") for number in range(CLAIMS)]
        claims.insert(2, replace(drop.claim(FORGED), to=drop.claim("a wallet of its own").to))
        log = Path(folder) / "strace"
        if call == CUT:
            with signer(drop, bug) as process:
                asyncio.run(_sell(drop, claims, rng, done, process, cut=point * CUT_BYTES + rng.randrange(CUT_BYTES)))
        else:
            with signer(drop, bug, f"inject={call}:{what}:when={point}", log) as process:
                asyncio.run(_sell(drop, claims, rng, done, process))
            done.met = "INJECTED" in log.read_text() or "SIGKILL" in log.read_text()
        with signer(drop, bug) as process:
            asyncio.run(_again(drop, claims, done, process))
        _judge(drop, done)
    return done


async def _sell(
    drop: Drop, claims: list[Claim], rng: random.Random, done: Run, process: subprocess.Popen[bytes], cut: int = 0
) -> None:
    """Lease, then the claims in waves of one to four, with a duplicate now and then, until all are asked.

    With `cut` the disk takes so many bytes more; the write that goes beyond them is cut short.
    """
    client = SignerClient(drop.socket)
    if not await _leased(drop, client, process):
        return
    full = _journal(drop).stat().st_size + cut
    if cut:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    left = list(claims)
    while left and process.poll() is None:
        wave = [left.pop(0) for _ in range(min(len(left), rng.randint(1, 4)))]
        wave += rng.sample(wave, k=rng.randint(0, 1))
        await asyncio.gather(*(_ask(client, asked, done) for asked in wave))
    if cut:
        done.met = _journal(drop).stat().st_size == full


async def _again(drop: Drop, claims: list[Claim], done: Run, process: subprocess.Popen[bytes]) -> None:
    """With no fault: what was answered is answered the same, what was not is answered or sold out."""
    client, before = SignerClient(drop.socket), dict(done.before)
    if not await _leased(drop, client, process):
        done.wrong.append("the signer does not come back")
        return
    for asked in claims:
        await _ask(client, asked, done, again=True)
    for claim_id, told in before.items():
        if done.before[claim_id] is not told and _digest(done.before[claim_id]) != _digest(told):
            done.wrong.append(f"{claim_id} was answered with two digests")


async def _leased(drop: Drop, client: SignerClient, process: subprocess.Popen[bytes]) -> bool:
    """Whether it holds its lease in the end; one that died or stopped for good does not."""
    deadline = time.monotonic() + ALIVE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            told = await client.ask("status")
            if told["ready"]:
                return True
            await client.ask("lease", envelope=drop.lease(told["key"], quota=QUOTA, start=START))
            await drop.witness.vouch(client)
        except (SignerAway, SignerRefused):
            await asyncio.sleep(0.05)
    return False


async def _ask(client: SignerClient, asked: Claim, done: Run, *, again: bool = False) -> None:
    fields = {"claim_id": asked.claim_id, "tier": 0, "to": asked.to, "slot": 0, "signature": asked.signature}
    try:
        told = (await client.ask("claim", **fields))["voucher"]
    except SignerAway:
        return
    except SignerRefused as refused:
        if again and asked.claim_id in done.before:
            done.wrong.append(f"{asked.claim_id} was answered, and then refused: {refused}")
        return
    earlier = done.before.setdefault(asked.claim_id, told)
    if _digest(earlier) != _digest(told):
        done.wrong.append(f"{asked.claim_id} was answered with two digests")


def _judge(drop: Drop, done: Run) -> None:
    """No token twice, none outside the lease, each voucher good by the key, the journal whole."""
    tokens = [int(told["token_id"]) for told in done.before.values()]
    if len(tokens) != len(set(tokens)):
        done.wrong.append("a token was given twice")
    if len(tokens) < QUOTA:
        done.wrong.append(f"only {len(tokens)} of {QUOTA} tokens found a buyer, and all had asked")
    if any(not START <= token < START + QUOTA for token in tokens):
        done.wrong.append("a token outside the lease was given")
    found = examine(_journal(drop).read_bytes(), drop.facts)
    if not found.whole:
        done.wrong.append(f"the journal is damaged: {found.damage}")
    held = {digest(drop.facts.domain().separator, batch.header.struct_hash()) for batch in _batches(found)}
    if not _signed(drop) <= held:
        done.wrong.append("a batch was signed that the journal does not hold")
    if FORGED in done.before:
        done.wrong.append("a claim was answered that its wallet had not signed")
    for told in done.before.values():
        try:
            voucher.verify(msgspec.convert(told, voucher.Voucher), "0x" + found.state.key.hex())
        except NotVerified as fault:
            done.wrong.append(str(fault))


def _signed(drop: Drop) -> set[bytes]:
    file = drop.folder / SIGNED
    return {bytes(one) for one in batched(file.read_bytes(), 32, strict=True)} if file.exists() else set()


def _batches(found: Examined) -> list[BatchRecord]:
    return [found.state.batches[number] for number in range(found.state.next_batch)]


def _journal(drop: Drop) -> Path:
    (file,) = (drop.folder / "journal").glob("*.journal")
    return file


def _digest(told: dict[str, Any]) -> tuple[object, ...]:
    """What the key signed, and which leaf of it: a signature's bytes may differ, these may not."""
    return told["token_id"], *told["batch"].values(), *told["voucher"].values()
