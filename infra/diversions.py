"""Which nodes get no claims by a person's word, who said so and why: `diverted/<drop's stack>.json`.

That is a front's run-time state; a front that restarts forgets it. The record says what was wanted, `edgedrop status`
tells where a front does otherwise, and `edgedrop up` has it do so again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from infra.home import forget_private, locked, place, write_private
from infra.plan.model import Geography
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


type Record = dict[str, Diversion]  # by node; of a spare that is lent, what its borrower's front does by `lent_key`


def read(drop: str) -> Record:
    """By the drop's stack."""
    path = _path(drop)
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Diversion]) if path.exists() else {}


def lent_key(borrower: str, node: str) -> str:
    """Under which a failover of the borrower's has a spare that is lent to it."""
    return f"{borrower}/{node}"


def at_front(record: Record, geo: Geography) -> dict[str, Diversion]:
    """By node, what a geography's front is to do: also with spares that are lent to it.

    Those by a failover of its own, or as they are drained or cordoned at home.
    """
    found = {node.name: record.get(node.name) for node in geo.at_front}
    for one in geo.lent:
        home = record.get(one.name)
        everywhere = home if home and home.act != "failover" else None
        found[one.name] = record.get(lent_key(geo.name, one.name)) or everywhere
    return {name: one for name, one in found.items() if one}


def change(drop: str, put: Mapping[str, Diversion], end: Collection[str] = ()) -> None:
    """Nodes that are diverted from now on, nodes that are no more."""
    with locked(place("diverted.lock")):
        kept = {name: one for name, one in read(drop).items() if name not in end}
        write_private(_path(drop), msgspec.json.encode(kept | dict(put)))


def forget(drop: str) -> None:
    """The drop is gone."""
    forget_private(_path(drop))


def _path(drop: str) -> Path:
    return place("diverted", f"{drop}.json")
