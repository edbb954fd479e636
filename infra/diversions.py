"""Which nodes get no claims by a person's word, who said so and why: `diverted/<drop's stack>.json`.

That is a front's run-time state; a front that restarts forgets it. The record says what was wanted, `edgedrop status`
tells where a front does otherwise, and `edgedrop up` has it do so again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from infra.home import locked, place, write_private
from node_image.front.runtime import How

Act = Literal["drain", "cordon", "failover"]


class Diversion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node's; `at` is UTC, ISO 8601."""

    act: Act
    how: How
    who: str
    why: str
    at: str
    to: str = ""  # of a failover: who has its claims


type Record = dict[str, Diversion]  # by node


def read(drop: str) -> Record:
    """By the drop's stack."""
    path = _path(drop)
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Diversion]) if path.exists() else {}


def change(drop: str, put: Mapping[str, Diversion], end: Collection[str] = ()) -> None:
    """Nodes that are diverted from now on, nodes that are no more."""
    with locked(place("diverted.lock")):
        kept = {name: one for name, one in read(drop).items() if name not in end}
        write_private(_path(drop), msgspec.json.encode(kept | dict(put)))


def forget(drop: str) -> None:
    """The drop is gone."""
    _path(drop).unlink(missing_ok=True)


def _path(drop: str) -> Path:
    return place("diverted", f"{drop}.json")
