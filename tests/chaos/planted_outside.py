"""Bugs of what the signer is told from outside: each must be found by tests/chaos/outside.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from node_image.protocol import freshness, rules, timing, witness
from node_image.protocol.freshness import Freshness, Verdict
from node_image.signer import core, outlook


def restored_clone_without_a_witness() -> None:
    """A start needs nobody's word."""
    rules.Standing.fresh = property(lambda _self: True)  # type: ignore[assignment,method-assign]


def restored_clone_with_a_witness() -> None:
    """What a witness says is not looked at."""
    judge = freshness.judge

    def kind(frames: int, head_after: Any, witnesses: Any) -> Verdict:
        return Verdict(Freshness.FRESH) if witnesses else judge(frames, head_after, witnesses)

    freshness.judge = kind


def witness_of_other_history_believed() -> None:
    """Only the count is looked at, never the head."""
    judge = freshness.judge

    def by_count(frames: int, head_after: Any, witnesses: Any) -> Verdict:
        found = judge(frames, head_after, witnesses)
        return Verdict(Freshness.FRESH) if found.freshness is Freshness.OTHER_HISTORY else found

    freshness.judge = by_count


def final_verdict_forgotten() -> None:
    """Who saw less makes good what another saw."""

    def judge_anew(self: outlook.Outlook, length: int, head_after: Any, seen: Any) -> None:
        self.verdict = freshness.judge(length, head_after, [seen])
        self.vouched_by = (seen.witness,)

    outlook.Outlook.judge = judge_anew  # type: ignore[method-assign]


def answers_said_again() -> None:
    """An answer is not held to a question of this very process."""
    hear = outlook.Outlook.hear

    def anyhow(self: outlook.Outlook, envelope: bytes) -> outlook.Answer:
        nonce = bytes.fromhex(witness.heard(envelope, self._keys).nonce[2:])
        self._open.setdefault(nonce, self._now())
        return hear(self, envelope)

    outlook.Outlook.hear = anyhow  # type: ignore[method-assign]


def strangers_believed() -> None:
    """Nobody looks at who signed an answer."""

    def read(answer: bytes, witnesses: Any) -> witness.Statement:
        del witnesses
        import base64  # noqa: PLC0415  of this bug alone
        import json  # noqa: PLC0415

        return witness.Statement(**json.loads(base64.b64decode(json.loads(answer)["payload"])))

    witness.heard = read


def shipped_before_it_was_vouched_for() -> None:
    """The courier is given whatever is durable."""
    core.Signer.shippable = property(lambda self: self.durable)  # type: ignore[assignment,method-assign]


def clock_floor_poisoned() -> None:
    """One source alone may jump."""
    timing.JUMP_MS = 10**12


def floor_ignored() -> None:
    """A source may take the clock back below the persisted floor."""
    take = timing.Clock.take

    def from_nothing(self: timing.Clock, readings: Any) -> timing.Clock:
        return take(replace(self, floor_ms=0, anchor=None), readings)

    timing.Clock.take = from_nothing  # type: ignore[method-assign]


def wall_clock_taken_for_the_time() -> None:
    """The machine's clock, which anybody sets, is the time."""
    standing = outlook.Outlook.standing

    def by_the_wall(self: outlook.Outlook, clock: timing.Clock, issued_at: int) -> rules.Standing:
        now = int(time.time())
        return replace(standing(self, clock, issued_at), time=timing.Interval(now, now))

    outlook.Outlook.standing = by_the_wall  # type: ignore[method-assign]


ALL: tuple[Callable[[], None], ...] = (
    restored_clone_without_a_witness,
    restored_clone_with_a_witness,
    witness_of_other_history_believed,
    final_verdict_forgotten,
    answers_said_again,
    strangers_believed,
    shipped_before_it_was_vouched_for,
    clock_floor_poisoned,
    floor_ignored,
    wall_clock_taken_for_the_time,
)
