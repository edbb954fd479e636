"""Whether a signer that starts stands on the newest journal of its grant. Pure.

A box that starts can't tell a restart from a restored copy: an older copy would give its tokens again. So after every
start somebody outside must say up to where he saw this grant's journal (the hub, the site's front, a peer, a TPM
counter, or the owner's vouch that the tech carries). One witness is enough to go on; any one who saw more is enough to
stop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

NO_HEAD = bytes(32)


class Freshness(StrEnum):
    """How a journal stands to those who saw it."""

    FRESH = "fresh"
    BEHIND = "behind"  # an older copy
    OTHER_HISTORY = "other_history"  # two journals of one grant
    NO_WITNESS = "no_witness"


@dataclass(frozen=True, slots=True)
class Seen:
    """`witness` saw `frames` frames of the journal with `head` after them; none at all: 0 and NO_HEAD."""

    witness: str
    frames: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst that any witness shows; `gap` is how many frames are missing where the journal is BEHIND."""

    freshness: Freshness
    reason: str = ""
    gap: int = 0

    @property
    def final(self) -> bool:
        """Nothing that this signer could do makes it good: people must."""
        return self.freshness in {Freshness.BEHIND, Freshness.OTHER_HISTORY}


def judge(frames: int, head_after: Callable[[int], bytes], witnesses: Sequence[Seen]) -> Verdict:
    """How a journal of `frames` frames stands; `head_after(n)` is its head after its first n frames."""
    if not witnesses:
        return Verdict(Freshness.NO_WITNESS, "no witness has said yet that this journal is the newest")
    ahead = [seen for seen in witnesses if seen.frames > frames]
    if ahead:
        most = max(ahead, key=lambda seen: seen.frames)
        gap = most.frames - frames
        return Verdict(
            Freshness.BEHIND, f"{most.witness} saw {gap} frames that are not in this journal: an older copy", gap
        )
    for seen in witnesses:
        if head_after(seen.frames) != seen.head:
            told = f"{seen.witness} saw another frame {seen.frames - 1}: two journals of one grant"
            return Verdict(Freshness.OTHER_HISTORY, told)
    return Verdict(Freshness.FRESH)
