"""`edgedrop autoscale`: the hub's daemon that has spares above `min` come and go, and says why.

It alone updates their stacks. Killed anywhere, it goes on where it stood; a person's `up` knows nothing of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer

from infra import elastic, epochs, stacks
from infra.elastic import Held, Said
from infra.errors import BadUsage, EdgedropError, Unreachable
from infra.ops.drops import drop_named, plan_of
from infra.ops.output import say
from infra.ops.served import ANSWER_S, at_front
from infra.ops.spares import Where, call_off, come, go, go_on, unfinished
from infra.plan.model import DropPlan, Geography, Scale
from infra.plan.scaling import OVER_S, Decision, Look, Now, decide
from infra.stacks import Stack

EVERY_S = 1.0
AGAIN_S = 20.0  # what failed is tried again after so long
KEPT = int(2 * OVER_S / EVERY_S)  # looks: older ones matter no more
AT_A_TIME = 4


def autoscale(
    drop: Annotated[
        str | None, typer.Argument(help="A drop's stack; the only one that is up where none is named.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look until a decision can be made, act on it, end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Each decision as a line of JSON on stdout.")] = False,
) -> None:
    """Bring up the spares above `min` ahead of the window and by load, within their budget; take them away again."""
    stack = drop_named(drop)
    names = [geo.name for geo in plan_of(stack).geographies if geo.scale]
    if not names:
        raise BadUsage(f"{stack.name} has no spares that come and go", "spares: {min: .., max: ..} in its drop file")
    # trust_env: a proxy of this machine knows nothing of the drop's addresses.
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client, ThreadPoolExecutor(AT_A_TIME) as pool:
        watches = [Watch(stack, name, client, as_json=as_json) for name in names]
        while _round(stack, watches, pool, once=once):
            time.sleep(EVERY_S)  # the pace of looking


def _round(stack: Stack, watches: Sequence[Watch], pool: ThreadPoolExecutor, *, once: bool) -> bool:
    """All geographies side by side; whether there is another one. Nobody takes the drop away meanwhile."""
    with elastic.alone(stack.name):
        if stacks.find(stack.name) is None:
            say(f"{stack.name} was taken down: nothing is left to do")
            return False
        faults = [fault for fault in pool.map(Watch.round, watches) if fault]
    if once and faults:
        raise faults[0]
    return not once or not all(watch.decided for watch in watches)


@dataclass(slots=True)
class Watch:
    """One geography; `looks` are lost with the process, all else is on record."""

    stack: Stack
    name: str
    client: httpx.Client
    as_json: bool
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=KEPT))
    decided: bool = False
    again_s: float = 0.0  # not before
    planned: tuple[object, DropPlan] | None = None  # with what it was made of: each token's picture is in it

    def round(self) -> EdgedropError | None:
        """Look, decide, act; what is in the way is on record, and told once."""
        if time.time() < self.again_s:
            return None
        try:
            self._round()
        except EdgedropError as fault:
            self.again_s = time.time() + AGAIN_S
            self._trouble(fault.message)
            return fault
        self._trouble("")
        return None

    def _round(self) -> None:
        where, scale = self._where()
        if unfinished(where.held):
            now = _now(where, scale, where.held)
            told = decide(scale, now, ())  # whatever the load is
            if told.want < now.up and where.held.at("coming"):
                call_off(where, told.why)
            go_on(where)
            self.decided = True
            return
        found = look(self.client, where.geo, where.held)
        if found is not None:
            self.looks.append(found)
        held = where.held
        now = _now(where, scale, held)
        decision = decide(scale, now, self.looks)
        if decision.rule == "unseen" and found is None:
            raise Unreachable(f"its front does not answer, and {now.up} spares stay up", "type: edgedrop status")
        self.decided = decision.rule != "unseen"
        change = decision.want - now.up
        self._say(where, decision, now.at_s, acts=change != 0)
        if change > 0:
            come(where, change, decision.why)
        elif change < 0:
            go(where, -change, decision.why)

    def _where(self) -> tuple[Where, Scale]:
        plan = self._plan()
        geo = next(one for one in plan.geographies if one.name == self.name)
        if geo.scale is None:
            raise BadUsage(f"{self.name} has no spares that come and go any more", "end this, and start it anew")
        return Where(self.stack, plan, geo), geo.scale

    def _plan(self) -> DropPlan:
        file = Path(self.stack.drop_file)
        of = (file.stat().st_mtime_ns if file.is_file() else 0, epochs.read(self.stack.name))
        if self.planned is None or self.planned[0] != of:
            self.planned = (of, plan_of(self.stack))
        return self.planned[1]

    def _say(self, where: Where, decision: Decision, now_s: float, *, acts: bool) -> None:
        """On record before it is acted on; people hear of it where it is another one than before."""
        held, said = where.held, Said(now_s, decision.want, decision.rule, decision.why)
        if self.as_json:
            print(msgspec.json.encode({"geography": self.name, **msgspec.to_builtins(said)}).decode(), flush=True)
        if not acts and held.said and (held.said.want, held.said.rule) == (said.want, said.rule):
            return
        say(f"{self.name}: {decision.want} spares, since {decision.why}")
        where.put(msgspec.structs.replace(held, said=said, acted=said if acts else held.acted))

    def _trouble(self, why: str) -> None:
        held = elastic.of(self.stack.name, self.name)
        if held.trouble != why:
            elastic.put(self.stack.name, self.name, msgspec.structs.replace(held, trouble=why))
            say(f"[bold yellow]{self.name}: {why}[/]" if why else f"{self.name}: goes on")


def look(client: httpx.Client, geo: Geography, held: Held) -> Look | None:
    """How busy it is, by its front; None where that does not answer."""
    seen = at_front(client, geo)
    if not seen:
        return None
    serving = [node for node in geo.at_front if node.name in seen and seen[node.name].state == "UP"]
    up = held.at("up")
    last = next((node for node in reversed(geo.elastic) if node.name in up), None)
    return Look(
        at_s=time.time(),
        hands=sum(node.claims_at_once for node in serving),
        busy=sum(min(seen[node.name].in_hand, node.claims_at_once) for node in serving),
        last_hands=last.claims_at_once if last in serving and last else 0,
    )


def _now(where: Where, scale: Scale, held: Held) -> Now:
    (changed_at_s, came), now_s = held.changed, time.time()
    return Now(
        at_s=now_s,
        opens_at=where.plan.opens_at,
        closes_at=where.plan.closes_at,
        up=scale.least + len(held.at("up", "coming")),
        spent_s=held.spent_s(now_s),
        changed_at_s=changed_at_s,
        came=came,
    )
