"""What the hub knows of a drop's elastic spares: which are up, since when, what that has cost, what it decided last.

`EDGEDROP_HOME/hub/elastic/<drop's stack>/<geography>.json`, on the disk before the act that it tells of: whoever is
killed, what was spent is known, and what was begun is gone on with.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import msgspec

from infra.home import home, locked, place, write_private

Stage = Literal["coming", "up", "closing", "closed", "gone"]


class Stint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One spare from its coming to its going; Unix seconds. It costs from before it comes until after it is gone."""

    node: str
    stage: Stage
    from_s: float
    to_s: float | None = None
    trail: int | None = None  # the audit trail's line that began its last change
    why: str = ""  # of that change


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision: so many spares in all, and why."""

    at_s: float
    want: int
    rule: str
    why: str


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One geography's."""

    stints: tuple[Stint, ...] = ()
    said: Said | None = None
    acted: Said | None = None  # the last one that changed something
    trouble: str = ""  # why what was begun can't go on

    def at(self, *stages: Stage) -> tuple[str, ...]:
        """Names of the spares in one of these stages."""
        return tuple(one.node for one in self.stints if one.stage in stages)

    @property
    def changed(self) -> tuple[float, bool]:
        """When the last one began to come or had gone, and whether that was a coming."""
        events = [(one.from_s, True) for one in self.stints]
        events += [(one.to_s, False) for one in self.stints if one.to_s is not None]
        return max(events, default=(float("-inf"), False))

    def spent_s(self, now_s: float) -> float:
        """Spare-seconds; one that is not gone goes on costing."""
        return sum((now_s if one.to_s is None else one.to_s) - one.from_s for one in self.stints)

    def began(self, nodes: Iterable[str], now_s: float, trail: int, why: str) -> Held:
        """With these coming."""
        fresh = (Stint(one, "coming", now_s, trail=trail, why=why) for one in nodes)
        return msgspec.structs.replace(self, stints=(*self.stints, *fresh))

    def moved(self, nodes: Iterable[str], stage: Stage, **more: Any) -> Held:
        """With these at another stage, and what else is said of them."""
        moving = set(nodes)
        found = (
            msgspec.structs.replace(one, stage=stage, **more) if one.node in moving and one.stage != "gone" else one
            for one in self.stints
        )
        return msgspec.structs.replace(self, stints=tuple(found))


def of(drop: str, geography: str) -> Held:
    """A geography's, by the drop's stack; nothing ever came up where nothing is on record."""
    path = _path(drop, geography)
    return msgspec.json.decode(path.read_bytes(), type=Held) if path.exists() else Held()


def put(drop: str, geography: str, held: Held) -> None:
    """On the disk before this returns."""
    write_private(_path(drop, geography), msgspec.json.encode(held))


def forget(drop: str) -> None:
    """The drop is gone."""
    shutil.rmtree(_folder() / drop, ignore_errors=True)
    (_folder() / f"{drop}.lock").unlink(missing_ok=True)


def alone(drop: str) -> AbstractContextManager[None]:
    """Whoever changes elastic spares does so alone: the hub, or a `down` that takes the drop away."""
    return locked(place("hub", "elastic", f"{drop}.lock"))


def _path(drop: str, geography: str) -> Path:
    return _folder() / drop / f"{geography}.json"


def _folder() -> Path:
    return home() / "hub" / "elastic"
