"""The signer with one bug of this list planted: `planted <name>`. A harness that misses one of them proves nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from node_image.protocol import journal, rules
from node_image.protocol.eip712 import Batch
from node_image.protocol.journal import JournalState, Kind
from node_image.signer import core
from node_image.signer.journal_file import JournalFile

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
    plant(JournalFile, "sync", lambda self: plant(self, "_durable", self._length))


def header_not_persisted() -> None:
    """A batch's header is kept in memory alone."""
    append, write = core.Signer._append, JournalFile.append

    def without_header(self: core.Signer, kind: Kind, payload: dict[str, object]) -> None:
        plant(JournalFile, "append", (lambda _self, _data: None) if kind is Kind.BATCH else write)
        append(self, kind, payload)

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
        state.claims.clear()
        state.nullifiers.clear()

    after_replay(forget)


def after_replay(forget: Callable[[JournalState], None]) -> None:
    """A state that lost something on its way from the journal."""
    replay = journal.replay

    def forgetful(frames: Any) -> JournalState:
        state = replay(frames)
        forget(state)
        return state

    plant(journal, "replay", forgetful)


def another_digest_after_a_crash() -> None:
    """A header that was on disk and not signed is signed as another one."""
    sign = core.Signer._sign

    async def later(self: core.Signer, header: Batch) -> None:
        old = self.stopped or len(self.state.batches) > header.batch_seq + 1 or self.state.waiting or not self._levels
        await sign(self, replace(header, issued_at=header.issued_at + 1) if old else header)

    plant(core.Signer, "_sign", later)


def wallet_not_checked() -> None:
    """Anybody may claim for any wallet."""
    plant(rules, "_not_the_wallets", lambda *_: "")


def torn_append_kept() -> None:
    """What was cut short stays in the file, and the next append stands behind it."""
    plant(os, "ftruncate", lambda *_: None)


def unsynced_kept() -> None:
    """After a failed sync it goes on as if nothing had been."""
    plant(core.Signer, "_forget_unsynced", lambda _self: None)


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
)
BUGS: dict[str, Callable[[], None]] = {bug.__name__: bug for bug in ALL}


if __name__ == "__main__":
    BUGS.get(sys.argv.pop(1), lambda: None)()
    import node_image.signer.__main__  # noqa: F401  serves until it is killed
