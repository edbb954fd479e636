"""What is seen of a node from outside, and which rung of the ladder follows from it. Pure.

A node is well when its mint speaks and all that should run does: what the mint then says (sold out, no lease, no
witness) is no matter of restarts. Each rung is tried once, the mildest first, by the bus where the agent answers, else
by SSH; what interrupts sales is for a mint that is silent, and its power is cut last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from node_image.protocol.command import ENGINE

Kind = Literal["agent", "stopped", "mint", "signer", "engine", "reboot", "power"]
Way = Literal["bus", "ssh", "board"]
KINDS: tuple[Kind, ...] = ("agent", "stopped", "mint", "signer", "engine", "reboot", "power")
PROVE_S: Mapping[Kind, float] = {
    "agent": 30,
    "stopped": 40,
    "mint": 40,
    "signer": 40,
    "engine": 90,
    "reboot": 240,
    "power": 300,
}
AGENT_UNITS = ("edgedrop-door.socket", "edgedrop-recovery.service")


@dataclass(frozen=True, slots=True)
class Inside:
    """What the box says of itself; `containers` by service with the engine's word for their state."""

    boot: str
    engine: bool
    containers: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def stopped(self) -> tuple[str, ...]:
        """Services that do not run."""
        return tuple(sorted(name for name, state in self.containers.items() if state != "running"))


@dataclass(frozen=True, slots=True)
class Seen:
    """One look from all sides at once; an empty text is nothing to say."""

    mint: str  # what it says of itself, "ready" where it can sell
    speaks: bool  # the mint does
    front: str
    bus: str
    agent: bool  # it answered on the bus
    hub: bool  # the bus itself answered
    ssh: str
    login: bool
    board: str
    power: bool | None  # None where no board is known
    inside: Inside | None
    has_agent: bool = True  # an appliance has one

    def lines(self) -> tuple[str, ...]:
        """For people, the outermost first."""
        told = (
            ("front", self.front),
            ("mint", self.mint),
            ("bus", self.bus),
            ("ssh", self.ssh),
            ("board", self.board),
            ("box", _words(self.inside)),
        )
        return tuple(f"{name:<6} {text}" for name, text in told if text)

    def data(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: what will be done, and by which way."""

    kind: Kind
    way: Way
    services: tuple[str, ...] = ()

    def words(self, node: str) -> str:
        """What a person is asked."""
        by = {"bus": "by a signed command", "ssh": "over SSH", "board": "by its board"}[self.way]
        what = {
            "agent": f"restart the recovery agent of {node}",
            "engine": f"restart the engine of {node}; its containers stay up",
            "reboot": f"reboot {node}; what it has signed stays",
            "power": f"cut the power of {node} and give it back; what it has signed stays",
        }
        return f"{what.get(self.kind) or f'restart {", ".join(self.services)} on {node}'}, {by}"


def next_step(seen: Seen, tried: Collection[Kind]) -> Step | None:
    """The mildest rung that may help, that there is a way for, and that was not tried; None where there is none."""
    for kind in KINDS:
        way = _way(kind, seen)
        if kind not in tried and way is not None and _may_help(kind, seen):
            return Step(kind, way, _services(kind, seen))
    return None


def well(seen: Seen) -> bool:
    """Nothing is left to do. Where the hub is away the agent can't be heard, and that is no illness of the box."""
    return seen.speaks and next_step(seen, ()) is None


def _may_help(kind: Kind, seen: Seen) -> bool:
    """Whether it mends something that is seen to be wrong."""
    inside = seen.inside
    match kind:
        case "agent":
            return seen.has_agent and not seen.agent and seen.hub
        case "stopped":
            return inside is not None and inside.engine and bool(inside.stopped)
        case "mint" | "signer":
            return not seen.speaks and inside is not None and inside.engine and kind in inside.containers
        case "engine":
            return inside is not None and not (seen.speaks and inside.engine)
        case _:
            return not seen.speaks


def _way(kind: Kind, seen: Seen) -> Way | None:
    if kind == "power":
        return "board" if seen.power is not None else None
    if seen.agent and kind != "agent":
        return "bus"
    return "ssh" if seen.login else None


def _services(kind: Kind, seen: Seen) -> tuple[str, ...]:
    if kind == "stopped" and seen.inside:
        return seen.inside.stopped
    return {"mint": ("mint",), "signer": ("signer",), "engine": (ENGINE,)}.get(kind, ())


def _words(inside: Inside | None) -> str:
    if inside is None:
        return ""
    if not inside.engine:
        return "its engine does not answer"
    runs = sum(state == "running" for state in inside.containers.values())
    down = f"; down: {', '.join(inside.stopped)}" if inside.stopped else ""
    units = "".join(f"; {unit} is {state}" for unit, state in inside.units.items() if state != "active")
    return f"{runs} of {len(inside.containers)} services run{down}{units}"
