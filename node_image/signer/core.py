"""Group commit: everything that waits goes under one sync and one HSM signature; a lone claim goes at once.

The order is the safety: rule -> claims and batch header appended -> fdatasync -> HSM -> SIGNATURE frame -> answers.
A crash anywhere leaves either nothing signed or a header whose digest, the same one, is signed again at the next start.
While one batch is synced and signed, the claims of the next come in and their wallets are recovered (intake.py), but
nothing of it is decided: at most one header is ever without its signature.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from node_image.protocol import closeout, frames, journal, rules, witness
from node_image.protocol.acts import close_out_hash
from node_image.protocol.eip712 import Batch, digest
from node_image.protocol.errors import JournalDamaged, NotVerified, ProtocolError
from node_image.protocol.facts import DropFacts
from node_image.protocol.frames import Kind
from node_image.protocol.hexes import unhex
from node_image.protocol.journal import ClaimRecord
from node_image.protocol.lease import LeaseDocument
from node_image.protocol.receiver import wrong_with
from node_image.protocol.reserve import ReserveVoucher
from node_image.protocol.rules import Claim, Decision, Result, Standing
from node_image.protocol.signature import address_of
from node_image.protocol.timing import Boot
from node_image.protocol.voucher import Tree, Voucher
from node_image.service import log
from node_image.signer.index import FramePlaces, compact_state
from node_image.signer.intake import Intake, Refused, Tell, Told, Waiting
from node_image.signer.journal_file import DiskFault, JournalFile
from node_image.signer.keystores import HsmFault, Key, QuotaSpent, Report
from node_image.signer.outlook import Answer, Outlook, machine_count
from node_image.signer.recent import Recent
from node_image.signer.reserves import AT_ONCE, Reserves

__all__ = ["Refused", "Signer"]

MAX_BATCH = 1024  # a proof has ten hashes at most; a batch is only as large as what waits
KEPT = 4 * MAX_BATCH  # claims whose vouchers are at hand
LAZY_SYNC_S = 0.05
REVIVE_S = 1.0
WORTH_CHECKING = frozenset({Result.SIGN, Result.RESERVE})
RESERVED = frozenset({Result.RESERVE, Result.RESERVED})
NOTHING = witness.Mark(0, 0, journal.NO_HEAD)


class Signer:
    """One grant: its key, its journal, its rules. All state changes happen under one lock."""

    def __init__(
        self, facts: DropFacts, key: Key, enrolment: Key, file: JournalFile, now: Callable[[], Boot] | None = None
    ) -> None:
        """`key` signs the grant's batches, `enrolment` reserve vouchers; all time is measured by `now`."""
        self.facts, self._key, self._file = facts, key, file
        self.stopped = ""
        self.grew = asyncio.Condition()
        self._separator = facts.domain().separator
        self._worker = ThreadPoolExecutor(1, "hsm")
        self._changing = asyncio.Lock()
        self.reserves = Reserves(facts, enrolment)
        self._outlook = Outlook(facts, now or machine_count())
        self._intake = Intake(facts, self._separator, self._worth_recovering)
        self._load()

    def _load(self) -> None:
        """The state from the journal's first byte on; the one before answers until it is whole."""
        state, places = compact_state(self._file), FramePlaces()
        for frame in self._file.replay():
            places.note(frame.seq, state.length)
            state.apply(frame)
        self.state, self._places, self._recent = state, places, Recent(self.facts, state, KEPT)
        self.durable, self._newest = state.journal_seq, self._mark()
        self._stood = self.standing()

    async def open(self) -> None:
        """Begin a new journal, or see that the one that is there is this grant's."""
        if not self.state.journal_seq:
            self._append(Kind.GRANT, frames.Grant(unhex(self.facts.grant_id), self.address))
            await self._sync()
        if self.state.key != self.address or self.state.grant_id != unhex(self.facts.grant_id):
            raise HsmFault("the journal belongs to another key or grant than this node's")
        await self._finish()

    async def _finish(self) -> None:
        """What a crash left: headers on disk with no signature known, where they may still be signed."""
        for batch in self.state.unsigned():
            if rules.may_finish(self.state, {claim.tier for claim in batch.claims}, self.standing()):
                await self._sign(batch.header)

    @property
    def _signed(self) -> int:
        """How many batches carry their signature: those before the first that does not."""
        return min((batch.header.batch_seq for batch in self.state.unsigned()), default=self.state.next_batch)

    def _worth_recovering(self, claim: Claim) -> bool:
        try:
            return rules.preview(self.state, self.facts, claim, self._stood).result in WORTH_CHECKING
        except (DiskFault, ProtocolError):
            return False  # the decision meets the same fault, and says so

    def standing(self) -> Standing:
        """How it stands now; what is only asked ahead of a decision takes the last that was found (`_stood`)."""
        self._stood = self._outlook.standing(self.state.clock, self.state.issued_at)
        return self._stood

    @property
    def time_refused(self) -> str:
        """Why the last that a source said of the time was not believed; empty where it was."""
        return self._outlook.time_refused

    @property
    def shippable(self) -> int:
        """How many frames may leave this box: those of an older copy would stand in the hub beside the newest's."""
        return self.durable if self._outlook.vouched_by else 0

    @property
    def vouched_by(self) -> tuple[str, ...]:
        """Who said since the start that this journal is the newest, in their order."""
        return self._outlook.vouched_by

    @property
    def newest(self) -> witness.Mark:
        """How far the site's witnesses may be told that this journal goes: as far as its frames may leave the box."""
        return self._newest if self._outlook.vouched_by else NOTHING

    def _mark(self) -> witness.Mark:
        return witness.Mark(self.state.journal_seq, self.state.next_batch, self.state.head)

    def question(self) -> bytes:
        """A nonce for a witness."""
        return self._outlook.question()

    async def hear(self, envelope: bytes) -> None:
        """What a witness answered: whether this journal is the newest, and the time."""
        try:
            answer = self._outlook.hear(envelope)
        except NotVerified as fault:
            raise Refused("bad_witness", str(fault)) from fault
        async with self._changing:
            if self.stopped:
                raise Refused("stopped", self.stopped)
            try:
                await self._take(answer)
            except (DiskFault, HsmFault, JournalDamaged) as fault:
                self.stopped = str(fault)
                raise Refused("stopped", self.stopped) from fault
        async with self.grew:
            self.grew.notify_all()

    async def _take(self, answer: Answer) -> None:
        before = self._outlook.verdict
        self._outlook.judge(self.state.journal_seq, self._head_after, answer.seen)
        verdict = self._outlook.verdict
        if verdict != before:
            level = "error" if verdict.final else "info"
            log(f"journal is {verdict.freshness}", level=level, reason=verdict.reason, gap=verdict.gap)
        if self.standing().fresh and self.state.closed is None:
            reached = self.state.journal_seq
            if answer.seen.witness == witness.OWNER and verdict != before:
                self._append(Kind.VOUCH, frames.Vouch(answer.seen.frames, envelope=answer.envelope))
            if moved := self._outlook.believe(self.state.clock, answer):
                self._append(Kind.TIME, moved)
            if self.state.journal_seq > reached:
                await self._sync()
            await self._finish()
            self.standing()

    def _head_after(self, count: int) -> bytes:
        """The journal's head after its first `count` frames, read back from the file."""
        if not count:
            return journal.NO_HEAD
        at, skip = self._places.near(count - 1)
        return next(islice(self._file.raws(at), skip, None))[-frames.HEAD :]

    @property
    def address(self) -> bytes:
        """The grant's key as an address."""
        return address_of(self._key.public)

    @property
    def public(self) -> bytes:
        """The grant's key, uncompressed."""
        return self._key.public

    def keystore(self) -> Report:
        """How the key's keystore does."""
        return self._key.report()

    def submit(self, claim: Claim, tell: Tell) -> None:
        """Take a claim; `tell` gets its voucher and whether it is new, or the reason of a no."""
        waiting = Waiting(claim, tell)
        if self.stopped:
            waiting.answer(Refused("stopped", self.stopped))
            return
        try:
            self._intake.put(waiting)
        except Refused as full:
            waiting.answer(full)

    async def claim(self, claim: Claim) -> tuple[Voucher | ReserveVoucher, bool]:
        """The voucher for a claim and whether it is new; Refused with the reason."""
        told: asyncio.Future[tuple[Voucher | ReserveVoucher, bool]] = asyncio.get_running_loop().create_future()

        def tell(answer: Told, new: bool) -> None:
            if told.cancelled():
                return
            if isinstance(answer, Refused):
                told.set_exception(answer)
            else:
                told.set_result((answer, new))

        self.submit(claim, tell)
        return await told

    def find(self, claim_id: str) -> Voucher:
        """The voucher of a claim answered before."""
        return self._recent.voucher(self._answered(claim_id))

    def _answered(self, claim_id: str) -> ClaimRecord:
        record = self.state.claims.get(claim_id)
        if record is None or record.batch_seq >= self._signed:
            raise Refused("not_found", "this node has no such claim")
        return record

    async def receive(self, claim_id: str, receiver: bytes, signature: bytes) -> None:
        """Journal whom the claim key of a signed claim names: once, since the chain takes the first that it is told."""
        async with self._changing:
            self._refuse_unless_sound()
            record, named = self._answered(claim_id), self.state.receivers.get(claim_id)
            if wrong := wrong_with(self.state, self._separator, record, receiver, signature):
                raise Refused("bad_claim", wrong)
            if named is not None:
                if named != receiver:
                    raise Refused("conflict", f"its claim key named 0x{named.hex()} before")
                return
            if self.state.closed:
                raise Refused("closed", "this node's journal is closed; the contract takes the signature itself")
            if not (standing := self.standing()).fresh:
                raise Refused("not_ready", standing.verdict.reason)
            try:
                self._append(Kind.RECEIVE, frames.Receive(claim_id, receiver, signature))
                await self._sync()
            except DiskFault as fault:
                self.stopped = str(fault)
                raise Refused("stopped", self.stopped) from fault

    async def find_reserved(self, claim_id: str) -> ReserveVoucher | None:
        """The reserve voucher of a claim that has no voucher yet, again; None where there is none."""
        async with self._changing:  # a frame that no sync has kept yet is nothing to sign for
            if (held := self.state.reserved.get(claim_id)) is None:
                return None
            self._refuse_unless_sound()
            reason = self.standing().unable or "send the claim again: it can be signed now"
            try:
                return await self._reserve_voucher(held, reason)
            except HsmFault as fault:
                self.stopped = str(fault)
                raise Refused("stopped", self.stopped) from fault

    def tail(self, after: int, most: int) -> list[bytes]:
        """The frames from `after` on that are durable, at most so many."""
        count = min(self.shippable - after, most)
        if count <= 0:
            return []
        at, skip = self._places.near(after)
        return list(islice(self._file.raws(at), skip, skip + count))

    async def take_lease(self, document: LeaseDocument, envelope: bytes) -> None:
        """Journal the leases that the owner signed for this very grant and key; the same ones again are no news."""
        if unhex(document.grant_id) != self.state.grant_id or unhex(document.key) != self.address:
            raise Refused("bad_lease", "the lease is for another grant or key")
        async with self._changing:
            self._refuse_unless_sound()
            if all(self.state.leases.get(lease.tier) == lease for lease in document.leases):
                return
            if any(lease.tier in self.state.leases for lease in document.leases):
                raise Refused(
                    "bad_lease", "this grant holds another lease in one of these tiers; a lease never changes"
                )
            try:
                self._append(Kind.LEASE, frames.Leases(frames.LeaseList(document.leases), envelope))
                await self._sync()
            except DiskFault as fault:
                self.stopped = str(fault)
                raise Refused("stopped", self.stopped) from fault

    async def close(self, command: closeout.Command) -> tuple[tuple[int, ...], bytes]:
        """End the grant for ever: each tier's high seq, and the lease key's signature, at every call."""
        if unhex(command.grant_id) != self.state.grant_id:
            raise Refused("bad_close", "the command is for another grant")
        async with self._changing:
            self._refuse_unless_sound()
            standing = self.standing()
            if self.state.closed is None and not standing.fresh:
                raise Refused("not_ready", standing.verdict.reason)  # an older copy's high seqs are too low
            try:
                if self.state.closed is None:
                    high_seqs = self.state.high_seqs(len(self.facts.tiers))
                    self._append(Kind.CLOSE, frames.Close(high_seqs, standing.time.lo))
                    await self._sync()
                return await self._sign_close_out()
            except (DiskFault, HsmFault) as fault:
                self.stopped = str(fault)
                raise Refused("stopped", self.stopped) from fault

    async def last_word(self) -> tuple[bytes, bytes]:
        """What the close-out signs, and its signature; Refused where the grant is not closed."""
        async with self._changing:
            self._refuse_unless_sound()
            if self.state.closed is None:
                node, epoch = self.facts.node, self.facts.epoch
                how = f"edgedrop closeout {node} --epoch {epoch}"
                raise Refused("not_closed", f"epoch {epoch} of {node} is not closed: {how}")
            try:
                high_seqs, signature = await self._sign_close_out()
            except (DiskFault, HsmFault) as fault:
                raise Refused("stopped", str(fault)) from fault
            return digest(self._separator, close_out_hash(self.state.grant_id, high_seqs)), signature

    def _refuse_unless_sound(self) -> None:
        """Nothing is written to a journal that a fault or a witness stopped."""
        verdict = self._outlook.verdict
        if stopped := self.stopped or (verdict.final and verdict.reason):
            raise Refused("stopped", stopped)

    async def _sign_close_out(self) -> tuple[tuple[int, ...], bytes]:
        """Only what is durable: a CLOSE frame that a failed sync took along is not there to be signed for."""
        closed = self.state.closed
        if closed is None or self.durable < self.state.journal_seq:
            raise DiskFault("the close-out is not on the disk")
        hashed = digest(self._separator, close_out_hash(self.state.grant_id, closed.high_seqs))
        signature = await asyncio.get_running_loop().run_in_executor(self._worker, self._key.sign, hashed)
        return closed.high_seqs, signature

    async def run(self) -> None:
        """Take what waits, batch after batch, for ever. A fault of disk or HSM stops it and is told to all who wait."""
        self._intake.warm()
        while True:
            group = await self._intake.take(MAX_BATCH)
            try:
                async with self._changing:
                    if not self.stopped:
                        await self._answer(group)
            except (DiskFault, HsmFault, JournalDamaged) as fault:
                self.stopped = str(fault)
            for waiting in group:
                waiting.answer(Refused("stopped", self.stopped))  # a no-op for who was answered

    async def flush(self) -> None:
        """Sync lazily what no answer waits for (SIGNATURE frames), so that the ledger gets them soon."""
        while True:
            await asyncio.sleep(LAZY_SYNC_S)
            self.standing()
            if self.durable < self.state.journal_seq and not self.stopped:
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
                        await asyncio.get_running_loop().run_in_executor(self._worker, self._forget_unsynced)
                        await self.open()
                        await self._sync()
                    except (DiskFault, HsmFault) as fault:
                        self.stopped = str(fault)
                    else:
                        self.stopped = ""

    def _forget_unsynced(self) -> None:
        self._file.rewind()
        self._load()

    async def _answer(self, group: list[Waiting]) -> None:
        """Decide each on what those before it left, then commit those that are to be signed as one batch."""
        await self._finish()
        standing, spent = self.standing(), self._spent_quota()
        decided = [(waiting, self._decide(waiting, standing, spent)) for waiting in group]
        chosen = [waiting for waiting, decision in decided if decision.result is Result.SIGN]
        if chosen:
            number, tree = self.state.next_batch, await self._commit(standing.time.lo)
            made = self._recent.of(number, tree)
            for index, waiting in enumerate(chosen):
                waiting.answer(made.of(index), new=True)
        for waiting, decision in decided:
            if decision.result is Result.KNOWN:
                waiting.answer(self._known(waiting.claim.claim_id))
        await self._reserve([one for one in decided if one[1].result in RESERVED])

    async def _reserve(self, decided: list[tuple[Waiting, Decision]]) -> None:
        """Reserve vouchers, once their frames are durable; those there is no time or quota for are asked for again."""
        if any(decision.result is Result.RESERVE for _, decision in decided):
            await self._sync()
        for waiting, decision in decided[:AT_ONCE]:
            try:
                made = await self._reserve_voucher(self.state.reserved[waiting.claim.claim_id], decision.reason)
            except Refused as spent:
                waiting.answer(spent)
            else:
                waiting.answer(made, new=decision.result is Result.RESERVE)
        for waiting, decision in decided[AT_ONCE:]:
            waiting.answer(Refused(Result.NOT_READY.value, decision.reason))

    async def _reserve_voucher(self, held: frames.Reserve, reason: str) -> ReserveVoucher:
        """Of a frame that is durable; Refused where the quota has no signature left for it."""
        make = self.reserves.make
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, make, held, reason)
        except QuotaSpent as spent:
            raise Refused(Result.QUOTA.value, str(spent), spent.retry_after_s) from spent

    def _known(self, claim_id: str) -> Voucher | Refused:
        record = self.state.claims[claim_id]
        if record.batch_seq >= self._signed:
            return Refused("closed", "a crash left this claim without a signature, and none may be made any more")
        return self._recent.voucher(record)

    def _spent_quota(self) -> QuotaSpent | None:
        """Asked before anything is persisted: what no signature is left for takes no seq."""
        try:
            self._key.check()
        except QuotaSpent as spent:
            return spent
        return None

    def _decide(self, waiting: Waiting, standing: Standing, spent: QuotaSpent | None) -> Decision:
        """Decide one claim and journal it at once, so that the next of the group is decided on what it left."""
        claim = waiting.claim
        decision = rules.decide(self.state, self.facts, self._separator, claim, standing, waiting.wrong)
        if decision.result in (Result.SIGN, Result.RESERVE) and spent:
            waiting.answer(Refused(Result.QUOTA.value, str(spent), spent.retry_after_s))
            return Decision(Result.QUOTA)
        if decision.result is Result.SIGN and decision.seq is not None:
            told = (claim.claim_id, claim.tier, decision.seq, claim.to, claim.slot, claim.signature, claim.claim_key)
            self._append(Kind.CLAIM, frames.Claim(*told))
        elif decision.result is Result.RESERVE:
            held = (claim.claim_id, claim.tier, decision.seq, claim.to, claim.slot, claim.signature)
            self._append(Kind.RESERVE, frames.Reserve(*held, standing.time.lo, decision.sure, claim.claim_key))
        elif decision.result not in (Result.KNOWN, Result.RESERVED):
            waiting.answer(Refused(decision.result.value, decision.reason))
        return decision

    async def _commit(self, now: int) -> Tree:
        """Header and sync, then the signature, for the claims that wait for their batch."""
        tree = Tree(self.state.grant_id, self.state.waiting)
        number, count = self.state.next_batch, len(self.state.waiting)
        self._append(Kind.BATCH, frames.Header(number, tree.root, count, now))
        await self._sync()
        await self._sign(self.state.batches[number].header)
        return tree

    async def _sign(self, header: Batch) -> None:
        hashed = digest(self._separator, header.struct_hash())
        signature = await asyncio.get_running_loop().run_in_executor(self._worker, self._key.sign, hashed)
        self._append(Kind.SIGNATURE, frames.Signed(header.batch_seq, signature))
        self._file.flush()

    def _append(self, kind: Kind, told: frames.Told) -> None:
        frame = journal.follow(kind, self.state.journal_seq, told, self.state.head)
        self._file.append(frame.raw)
        self._places.note(frame.seq, self.state.length)
        self.state.apply(frame)

    async def _sync(self) -> None:
        reached = self._mark()
        self._file.flush()
        await asyncio.get_running_loop().run_in_executor(self._worker, self._file.sync)
        self.durable, self._newest = reached.journal_seq, reached
        async with self.grew:
            self.grew.notify_all()
