"""Who of a fleet is re-imaged next. Pure: how each stands goes in, who begins now comes out.

The canaries come first, by themselves; then never more than a batch at once. A node is taken only while all others of
its geography are in service, so that its front always has somebody. After the first failure nobody begins any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Stand(StrEnum):
    """How far one is."""

    WAITING = "waiting"
    TAKEN = "under way"
    DONE = "done"  # on the release and well, whoever put it there
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many go first, and how many at once after them."""

    canary: int
    batch: int

    def room(self, stands: Collection[Stand]) -> int:
        """How many more may be under way."""
        taken, done = (sum(one is kind for one in stands) for kind in (Stand.TAKEN, Stand.DONE))
        return min(self.batch, self.canary - done if done < self.canary else self.batch) - taken


type Places = Mapping[str, frozenset[str]]  # geography -> all of its nodes, spares too


def next_nodes(stands: Mapping[str, Stand], pace: Pace, places: Places, away: Collection[str]) -> tuple[str, ...]:
    """Who begins now, in the order of `stands`; `away` are the nodes that their front sends nobody to."""
    if Stand.FAILED in stands.values():
        return ()
    out = {*away, *(name for name, stand in stands.items() if stand is Stand.TAKEN)}
    begun: list[str] = []
    for name in _waiting(stands):
        if len(begun) >= pace.room(stands.values()):
            break
        if not _others(name, places) & out:
            begun.append(name)
            out.add(name)
    return tuple(begun)


def blocked(stands: Mapping[str, Stand], places: Places, away: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The first that waits, and who of its geography would have to be in service before it is taken."""
    first = next(_waiting(stands))
    return first, tuple(sorted(_others(first, places) & {*away}))


def in_order(names: Sequence[str], begun: Collection[str]) -> tuple[str, ...]:
    """Those first that a run which was killed has begun: they are at it already."""
    return tuple(sorted(names, key=lambda name: name not in begun))


def _waiting(stands: Mapping[str, Stand]) -> Iterator[str]:
    return (name for name, stand in stands.items() if stand is Stand.WAITING)


def _others(name: str, places: Places) -> frozenset[str]:
    return next(nodes for nodes in places.values() if name in nodes) - {name}
