"""Group commit: everything that waits goes under one sync and one HSM signature; a lone claim goes at once.

The order is the safety: rule -> claims and batch header appended -> fdatasync -> HSM -> SIGNATURE frame -> answers.
A crash anywhere leaves either nothing signed or a header whose digest, the same one, is signed again at the next start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from node_image.protocol import journal, merkle, rules
from node_image.protocol import voucher as vouchers
from node_image.protocol.eip712 import Batch, digest
from node_image.protocol.facts import DropFacts
from node_image.protocol.journal import Frame, JournalState, Kind
from node_image.protocol.lease import LeaseDocument
from node_image.protocol.rules import Claim, Result
from node_image.protocol.signature import address_of
from node_image.protocol.voucher import Voucher
from node_image.signer.journal_file import DiskFault, JournalFile
from node_image.signer.keystore import HsmFault, Key

MAX_WAITING = 4096
MAX_BATCH = 512
LAZY_SYNC_S = 0.05
REVIVE_S = 1.0


class Refused(Exception):
    """The answer is no; `code` is one of the socket's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True, eq=False)
class _Waiting:
    claim: Claim
    answer: asyncio.Future[tuple[Voucher, bool]]


class Signer:
    """One grant: its key, its journal, its rules. All state changes happen in one task, `run`."""

    def __init__(self, facts: DropFacts, key: Key, file: JournalFile, clock: Callable[[], float] = time.time) -> None:
        self.facts, self._key, self._file, self._clock = facts, key, file, clock
        self.state = journal.replay(file.frames)
        self.frames: list[Frame] = list(file.frames)
        self.durable = len(self.frames)
        self.stopped = ""
        self.grew = asyncio.Condition()
        self._separator = facts.domain().separator
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(MAX_WAITING)
        self._worker = ThreadPoolExecutor(1, "hsm")
        self._changing = asyncio.Lock()
        self._levels: dict[int, list[list[bytes]]] = {}

    async def open(self) -> None:
        """Begin a new journal, or finish what the last process left: headers on disk with no signature known."""
        if not self.frames:
            self._append(Kind.GRANT, {"grant_id": _bytes(self.facts.grant_id), "key": self.address})
            await self._sync()
        if self.state.key != self.address or self.state.grant_id != _bytes(self.facts.grant_id):
            raise HsmFault("the journal belongs to another key or grant than this node's")
        for batch in self.state.unsigned():
            await self._sign(batch.header)

    @property
    def address(self) -> bytes:
        """The grant's key as an address."""
        return address_of(self._key.public)

    async def claim(self, claim: Claim) -> tuple[Voucher, bool]:
        """The voucher for a claim and whether it is new; Refused with the reason."""
        if self.stopped:
            raise Refused("stopped", self.stopped)
        answer: asyncio.Future[tuple[Voucher, bool]] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(_Waiting(claim, answer))
        except asyncio.QueueFull:
            raise Refused("stopped", f"{MAX_WAITING} claims are waiting already") from None
        return await answer

    def find(self, claim_id: str) -> Voucher:
        """The voucher of a claim answered before."""
        record = self.state.claims.get(claim_id)
        if record is None or self.state.batches[record.batch_seq].signature is None:
            raise Refused("not_found", "this node has no such claim")
        return self._voucher(record)

    async def take_lease(self, document: LeaseDocument, envelope: bytes) -> None:
        """Journal the leases that the owner signed for this very grant and key; the same ones again are no news."""
        if _bytes(document.grant_id) != self.state.grant_id or _bytes(document.key) != self.address:
            raise Refused("bad_lease", "the lease is for another grant or key")
        async with self._changing:
            if self.stopped:
                raise Refused("stopped", self.stopped)
            if all(self.state.leases.get(lease.tier) == lease for lease in document.leases):
                return
            if any(lease.tier in self.state.leases for lease in document.leases):
                raise Refused(
                    "bad_lease", "this grant holds another lease in one of these tiers; a lease never changes"
                )
            leases = [{name: getattr(lease, name) for name in lease.__struct_fields__} for lease in document.leases]
            try:
                self._append(Kind.LEASE, {"document": {"leases": leases}, "envelope": envelope})
                await self._sync()
            except DiskFault as fault:
                self.stopped = str(fault)
                raise Refused("stopped", self.stopped) from fault

    async def run(self) -> None:
        """Take what waits, batch after batch, for ever. A fault of disk or HSM stops it and is told to all who wait."""
        while True:
            group = [await self._queue.get()]
            while not self._queue.empty() and len(group) < MAX_BATCH:
                group.append(self._queue.get_nowait())
            try:
                async with self._changing:
                    await self._answer(group)
            except (DiskFault, HsmFault) as fault:
                self.stopped = str(fault)
                _refuse([waiting for waiting in group if not waiting.answer.done()], "stopped", self.stopped)

    async def flush(self) -> None:
        """Sync lazily what no answer waits for (SIGNATURE frames), so that the ledger gets them soon."""
        while True:
            await asyncio.sleep(LAZY_SYNC_S)
            if self.durable < len(self.frames) and not self.stopped:
                async with self._changing:
                    try:
                        await self._sync()
                    except DiskFault as fault:
                        self.stopped = str(fault)

    async def revive(self) -> None:
        """Once disk and HSM do their work again, go on from the last sync: what came after it was never answered."""
        while True:
            await asyncio.sleep(REVIVE_S)
            if self.stopped:
                async with self._changing:
                    try:
                        await asyncio.get_running_loop().run_in_executor(self._worker, self._file.rewind)
                        self._forget_unsynced()
                        await self.open()
                        await self._sync()
                    except (DiskFault, HsmFault) as fault:
                        self.stopped = str(fault)
                    else:
                        self.stopped = ""

    def _forget_unsynced(self) -> None:
        del self.frames[self.durable :]
        self.state = journal.replay(self.frames)
        self._levels.clear()

    async def _answer(self, group: list[_Waiting]) -> None:
        if self.stopped:
            _refuse(group, "stopped", self.stopped)
            return
        chosen = [waiting for waiting in group if self._take(waiting)]
        if chosen:
            header = self._append_batch()
            await self._sync()
            await self._sign(header)
        for waiting in group:
            if not waiting.answer.done():
                voucher = self._voucher(self.state.claims[waiting.claim.claim_id])
                waiting.answer.set_result((voucher, waiting in chosen))

    def _take(self, waiting: _Waiting) -> bool:
        """Decide one claim and journal it at once, so that the next of the group is decided on what it left."""
        claim = waiting.claim
        decision = rules.decide(self.state, self.facts, self._separator, claim, int(self._clock()))
        if decision.result is Result.SIGN:
            told = {"claim_id": claim.claim_id, "tier": claim.tier, "seq": decision.seq, "to": claim.to}
            self._append(Kind.CLAIM, {**told, "slot": claim.slot, "signature": claim.signature})
            return True
        if decision.result is not Result.KNOWN:
            _refuse([waiting], decision.result.value, decision.reason)
        return False

    def _append_batch(self) -> Batch:
        leaves = [claim.leaf(self.state.grant_id).struct_hash() for claim in self.state.waiting]
        number = self.state.next_batch
        self._levels[number] = merkle.tree(leaves)
        header = {"batch_seq": number, "root": self._levels[number][-1][0], "count": len(leaves)}
        self._append(Kind.BATCH, {**header, "issued_at": int(self._clock())})
        return self.state.batches[number].header

    async def _sign(self, header: Batch) -> None:
        loop = asyncio.get_running_loop()
        signature = await loop.run_in_executor(
            self._worker, self._key.sign, digest(self._separator, header.struct_hash())
        )
        self._append(Kind.SIGNATURE, {"batch_seq": header.batch_seq, "signature": signature})

    def _append(self, kind: Kind, payload: dict[str, object]) -> None:
        frame = journal.encode(kind, self.state.journal_seq, payload, self.state.head)
        self._file.append(frame.raw)
        self.state.apply(frame)
        self.frames.append(frame)

    async def _sync(self) -> None:
        reached = len(self.frames)
        await asyncio.get_running_loop().run_in_executor(self._worker, self._file.sync)
        self.durable = reached
        async with self.grew:
            self.grew.notify_all()

    def _voucher(self, record: journal.ClaimRecord) -> Voucher:
        levels = self._levels.get(record.batch_seq) or vouchers.levels_of(self.state.batches[record.batch_seq])
        return vouchers.build(self.facts, self.state, record, levels)


def status(signer: Signer) -> dict[str, object]:
    """What the signer says of itself on its socket."""
    state: JournalState = signer.state
    left = {str(tier): lease.quota - state.next_seq[tier] for tier, lease in state.leases.items()}
    reason = signer.stopped or ("" if state.leases else "this node holds no lease yet")
    return {
        "grant_id": signer.facts.grant_id,
        "key": "0x" + signer.address.hex(),
        "head": state.head.hex(),
        "journal_seq": state.journal_seq,
        "durable_seq": signer.durable,
        "issued": {str(tier): taken for tier, taken in state.next_seq.items()},
        "left": left,
        "ready": not reason,
        "reason": reason,
    }


def _refuse(group: list[_Waiting], code: str, reason: str) -> None:
    for waiting in group:
        waiting.answer.set_exception(Refused(code, reason))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
