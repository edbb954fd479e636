"""The later epochs of a drop's nodes, as this machine recorded them: only ever added to, and written before they act.

A drop's record lies beside its stack's (infra/stacks.py). A first epoch is what planning makes of the drop file; it
stands in no record and never changes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from infra.home import forget_private, locked, place, write_private
from infra.plan.model import Lease


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One later epoch of a node."""

    epoch: int
    closes: int | None = None  # the epoch that is closed out first, and whose remainder this one gets
    leases: tuple[Lease, ...] = ()  # none until what it closes is closed; then never changed
    done: bool = False  # seen to sell
    reserve: bool = False  # out of the fallback reserve: two holders open it, and until then its leases may change
    opened: bool = False  # they have

    @property
    def planned(self) -> tuple[Lease, ...] | None:
        """What the plan is told: none yet where holders have to open it, nothing at all of one without a range."""
        if self.reserve and not self.opened:
            return ()
        return self.leases or None


type Record = dict[str, tuple[Recorded, ...]]  # by node, oldest first


def read(drop: str) -> Record:
    """By the drop's stack."""
    path = _path(drop)
    return msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[Recorded, ...]]) if path.exists() else {}


def leases(drop: str) -> dict[str, list[tuple[int, tuple[Lease, ...]]]]:
    """What the plan is told: an epoch whose leases are not known yet is none."""
    return {
        node: [(one.epoch, held) for one in told if (held := one.planned) is not None]
        for node, told in read(drop).items()
    }


def awaiting(drop: str) -> tuple[str, ...]:
    """Nodes with an epoch out of the fallback reserve that was begun and does not sell yet."""
    return tuple(node for node, told in read(drop).items() if told and told[-1].reserve and not told[-1].done)


def put(drop: str, node: str, one: Recorded) -> None:
    """Add an epoch, or say what has become of the newest one."""
    told = read(drop)
    kept = tuple(held for held in told.get(node, ()) if held.epoch != one.epoch)
    write_private(_path(drop), msgspec.json.encode(told | {node: (*kept, one)}))


def drop_newest(drop: str, node: str) -> None:
    """An epoch that never had a lease on chain never was."""
    told = read(drop)
    kept = tuple(one for one in told.get(node, ()) if one.planned)
    write_private(_path(drop), msgspec.json.encode(told | {node: kept}))


def forget(drop: str) -> None:
    """The drop is gone."""
    forget_private(_path(drop))


def alone() -> AbstractContextManager[None]:
    """One run at a time chooses ranges: two nodes must never be given the same."""
    return locked(place("epochs.lock"))


def _path(drop: str) -> Path:
    return place("epochs", f"{drop}.json")
