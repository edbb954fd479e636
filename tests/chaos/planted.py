"""The signer with one bug of this list planted: `planted <name>`. A harness that misses one of them proves nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from node_image.protocol import rules
from node_image.protocol.eip712 import Batch
from node_image.protocol.facts import DropFacts
from node_image.protocol.frames import Kind, Signed, Told
from node_image.protocol.journal import ClaimRecord, JournalState
from node_image.signer import core, index
from node_image.signer.intake import Intake, Waiting
from node_image.signer.journal_file import JournalFile
from node_image.signer.keystores import Key, Report
from tests.chaos import planted_outside

HELD_BACK = 3  # appends


def plant(owner: object, name: str, bug: Callable[..., Any]) -> None:
    """Put it there."""
    setattr(owner, name, bug)


def answer_before_persist() -> None:
    """What is appended reaches the file some appends late: what was answered last dies with the process."""
    write, held = JournalFile.append, list[bytes]()

    def late(self: JournalFile, data: bytes) -> None:
        held.append(data)
        if len(held) > HELD_BACK:
            write(self, held.pop(0))

    plant(JournalFile, "append", late)


def no_sync() -> None:
    """Nothing is ever synced."""
    plant(JournalFile, "sync", lambda self: plant(self, "durable", self.written))


def header_not_persisted() -> None:
    """A batch's header is kept in memory alone."""
    append, write = core.Signer._append, JournalFile.append

    def without_header(self: core.Signer, kind: Kind, told: Told) -> None:
        plant(JournalFile, "append", (lambda _self, _data: None) if kind is Kind.BATCH else write)
        append(self, kind, told)

    plant(core.Signer, "_append", without_header)


def range_off_by_one() -> None:
    """One token more than the lease has."""
    supply, take = rules._supply, JournalState._take_claim
    plant(rules, "_supply", lambda state, *told: wider(state, lambda: supply(state, *told)))
    plant(JournalState, "_take_claim", lambda state, told: wider(state, lambda: take(state, told)))


def wider[T](state: JournalState, act: Callable[[], T]) -> T:
    """Act on leases that have a token more."""
    leases = state.leases
    state.leases = {tier: msgspec.structs.replace(one, quota=one.quota + 1) for tier, one in leases.items()}
    try:
        return act()
    finally:
        state.leases = leases


def same_seq_twice() -> None:
    """After a restart the count begins one lower than it ended."""

    def forget(state: JournalState) -> None:
        state.next_seq = {tier: max(0, seq - 1) for tier, seq in state.next_seq.items()}

    after_replay(forget)


def claims_forgotten() -> None:
    """After a restart nobody is known: the same claim gets another token."""

    def forget(state: JournalState) -> None:
        state.claims, state.nullifiers = {}, {}

    after_replay(forget)


def after_replay(forget: Callable[[JournalState], None]) -> None:
    """A state that lost something on its way from the journal."""
    load = core.Signer._load

    def forgetful(self: core.Signer) -> None:
        load(self)
        forget(self.state)

    plant(core.Signer, "_load", forgetful)


def another_digest_after_a_crash() -> None:
    """A header that was on disk and not signed is signed as another one."""
    finish, sign = core.Signer._finish, core.Signer._sign

    async def other(self: core.Signer) -> None:
        plant(self, "_sign", lambda header: sign(self, replace(header, issued_at=header.issued_at + 1)))
        await finish(self)
        plant(self, "_sign", lambda header: sign(self, header))

    plant(core.Signer, "_finish", other)


def wallet_not_checked() -> None:
    """Anybody may claim for any wallet."""
    plant(rules, "not_the_wallets", lambda *_: "")


def torn_append_kept() -> None:
    """What was cut short stays in the file, and the next append stands behind it."""
    plant(os, "ftruncate", lambda *_: None)


def unsynced_kept() -> None:
    """After a failed sync it goes on as if nothing had been."""
    plant(core.Signer, "_forget_unsynced", lambda self: self._file.rewind())


def answer_before_signature() -> None:
    """A batch is answered as soon as it is synced: with a signature that no key made."""

    async def at_once(self: core.Signer, header: Batch) -> None:
        self._append(Kind.SIGNATURE, Signed(header.batch_seq, bytes(65)))

    plant(core.Signer, "_sign", at_once)


def sign_before_persist() -> None:
    """The HSM is asked while claims and header are in memory; they are written with its signature."""

    async def unwritten(self: core.Signer) -> None:
        self.durable = self.state.journal_seq

    plant(core.Signer, "_sync", unwritten)


def fingerprints_believed() -> None:
    """What the index finds is not read back: two claims of one fingerprint are taken for each other."""
    plant(core, "compact_state", partial(index.compact_state, hashed=lambda _: 0))

    def believed(self: index.ClaimPlaces, claim_id: str) -> ClaimRecord | None:
        for place in self._table.find(self._hash(claim_id)):
            at, number = index.place_of(place)
            return index.record_of(next(self._journal.frames(at)), self._batches.at(at), number, at)
        return None

    plant(index.ClaimPlaces, "get", believed)


def checked_for_another() -> None:
    """What was found of a group's signatures is handed to the wrong claims."""
    check = Intake._check

    def mixed(self: Intake, chunk: Sequence[Waiting]) -> None:
        check(self, chunk)
        wrong = [waiting.wrong for waiting in chunk]
        for waiting, other in zip(chunk, wrong[1:] + wrong[:1], strict=True):
            waiting.wrong = other

    plant(Intake, "_check", mixed)


ALL = (
    answer_before_persist,
    no_sync,
    header_not_persisted,
    range_off_by_one,
    same_seq_twice,
    claims_forgotten,
    another_digest_after_a_crash,
    wallet_not_checked,
    torn_append_kept,
    unsynced_kept,
    answer_before_signature,
    sign_before_persist,
    fingerprints_believed,
    checked_for_another,
)
BUGS: dict[str, Callable[[], None]] = {bug.__name__: bug for bug in ALL}
OF_THE_OUTSIDE: dict[str, Callable[[], None]] = {bug.__name__: bug for bug in planted_outside.ALL}


class Watched:
    """A key that writes down what it is asked to sign, before it does: the journal must hold all of it."""

    def __init__(self, key: Key, path: Path) -> None:
        self.public = key.public
        self._key, self._path = key, path

    def sign(self, digest: bytes) -> bytes:
        """As the key does."""
        with self._path.open("ab") as file:
            file.write(digest)
        return self._key.sign(digest)

    def check(self) -> None:
        """As the key does."""
        self._key.check()

    def warm(self) -> None:
        """As the key does."""
        self._key.warm()

    def report(self) -> Report:
        """As the key does."""
        return self._key.report()


def watch(path: Path) -> None:
    """Every signer of this process."""
    make = core.Signer.__init__

    def watched(self: core.Signer, facts: DropFacts, key: Key, enrolment: Key, file: JournalFile) -> None:
        make(self, facts, Watched(key, path), enrolment, file)

    plant(core.Signer, "__init__", watched)


if __name__ == "__main__":
    (BUGS | OF_THE_OUTSIDE).get(sys.argv.pop(1), lambda: None)()
    watch(Path(sys.argv.pop(1)))
    import node_image.signer.__main__  # noqa: F401  serves until it is killed
