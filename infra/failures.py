"""Which release failed on which node of a drop, and why: `failures/<drop's stack>.json`.

The box remembers its own and does not take a bad release again; a box that was wiped since does not, and no other box
knows. A rolling re-image asks here before it begins.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from infra.audit import now
from infra.home import forget_private, locked, place, write_private


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`at` is UTC, ISO 8601."""

    at: str
    why: str


type Record = dict[str, dict[str, Failure]]  # by release, by node


def read(drop: str) -> Record:
    """By the drop's stack."""
    path = _path(drop)
    return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Failure]]) if path.exists() else {}


def note(drop: str, release: str, node: str, why: str) -> None:
    """It failed there; an empty `why`: it runs there now."""
    with locked(place("failures.lock")):
        told = read(drop)
        of_release = {name: one for name, one in told.get(release, {}).items() if name != node}
        if why:
            of_release[node] = Failure(now(), why)
        others = {name: failed for name, failed in told.items() if name != release}
        write_private(_path(drop), msgspec.json.encode(others | ({release: of_release} if of_release else {})))


def forget(drop: str) -> None:
    """The drop is gone."""
    forget_private(_path(drop))


def _path(drop: str) -> Path:
    return place("failures", f"{drop}.json")
