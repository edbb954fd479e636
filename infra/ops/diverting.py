"""How the commands that move claims act: say what will be, ask, tell the front, prove it, keep who said so and why.

They need this machine's record of the stack, its plan and the front; neither hub, chain nor Pulumi's state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
import typer

from infra import audit, diversions
from infra.diversions import Act, Diversion
from infra.errors import BadUsage, EdgedropError, Unreachable
from infra.ops import fronts
from infra.ops.drops import drop_named, node_named, plan_of
from infra.ops.output import confirm, say, tell
from infra.ops.served import ANSWER_S, MINT_PORT, at_front
from infra.ops.shipping import ship
from infra.plan.fronts import Lent
from infra.plan.model import DropPlan, Geography, Node
from infra.stacks import Stack
from node_image.front.runtime import How, Served

Reason = Annotated[str, typer.Option(help="Why: it stands in the audit trail, and in `edgedrop status`.")]
Drop = Annotated[str | None, typer.Option(help="The drop's stack; the only one that is up where none is named.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON on stdout.")]

QUESTION = "/v1/drop"  # claims nothing, and takes a claim's way through the front
QUESTIONS = 5


@dataclass(frozen=True, slots=True)
class Where:
    """A geography of a drop that this machine brought up."""

    stack: Stack
    plan: DropPlan
    geo: Geography

    @property
    def held(self) -> dict[str, Diversion]:
        """Which of its nodes, and of those that are lent to it, its front is to send nothing already."""
        return diversions.at_front(diversions.read(self.stack.name), self.geo)

    @property
    def nodes(self) -> tuple[Node | Lent, ...]:
        """Whom its front may send claims: its own, then what others lend it."""
        return (*self.geo.at_front, *self.geo.lent)

    def key(self, name: str) -> str:
        """Under which what its front does with the node stands in the record."""
        lent = any(one.name == name for one in self.geo.lent)
        return diversions.lent_key(self.geo.name, name) if lent else name

    def node(self, name: str) -> Node | Lent:
        """One of its nodes, or one that is lent to it."""
        found = next((node for node in self.nodes if node.name == name), None)
        if found is None:
            raise BadUsage(f"{self.geo.name} has no node {name}", f"its nodes are {names(self.nodes)}")
        return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be: `hows` is told the front; `put` and `end` are for the record, by its keys."""

    what: str
    question: str
    words: tuple[str, ...]
    hows: Mapping[str, How]
    put: Mapping[str, Diversion] = field(default_factory=dict)
    end: tuple[str, ...] = ()
    only: tuple[str, ...] = ()  # nobody else may answer from now on
    silent: tuple[str, ...] = ()  # they may not
    everywhere: bool = False  # also at the fronts of those whom the node is lent to
    why: str = ""
    back: str = ""  # the command that undoes it

    @property
    def away(self) -> set[str]:
        """Who gets no claims from now on."""
        return {name for name, how in self.hows.items() if how != "ready"}


def of_geography(drop: str | None, name: str) -> Where:
    """By its name."""
    stack = drop_named(drop)
    plan = plan_of(stack)
    geo = next((one for one in plan.geographies if one.name == name), None)
    if geo is None:
        there = ", ".join(one.name for one in plan.geographies)
        raise BadUsage(f"{plan.drop} has no geography {name}", f"its geographies are {there}")
    return Where(stack, plan, geo)


def of_node(drop: str | None, name: str) -> Where:
    """The geography that a node is of."""
    stack = drop_named(drop)
    plan = plan_of(stack)
    geo, _ = node_named(plan, name)
    return Where(stack, plan, geo)


def names(nodes: Collection[Node | Lent]) -> str:
    """For people."""
    return ", ".join(node.name for node in nodes)


def diversion(act: Act, how: How, why: str, to: Collection[str] = ()) -> Diversion:
    """Said now, by whoever types."""
    return Diversion(act, how, audit.who(), why, audit.now(), ", ".join(to))


def seen(where: Where) -> dict[str, Served]:
    """Its nodes as its front sees them now."""
    with _client() as client:
        found = at_front(client, where.geo)
    if not found:
        raise Unreachable(
            f"the front of {where.geo.name} does not answer: its buyers reach nobody",
            f"type: edgedrop up {where.stack.name} --yes, which mends a front",
        )
    return found


def carry_out(where: Where, before: Mapping[str, Served], wanted: Wanted, *, yes: bool, as_json: bool) -> None:
    """From words to proof; `before` is how the front saw its nodes."""
    say("now: " + "; ".join(_state(name, one) for name, one in before.items()))
    for line in wanted.words:
        say(line)
    confirm(wanted.question, yes=yes)
    with audit.audited(wanted.what, where.stack.name, wanted.hows, wanted.why):
        fronts.tell(where.stack.name, where.geo, wanted.hows)
        if wanted.everywhere:
            fronts.tell_borrowers(where.stack.name, where.geo, wanted.hows)
        diversions.change(where.stack.name, wanted.put, wanted.end)
        proof = _prove(where, wanted, before)
    _report(where, wanted, proof, as_json=as_json)
    ship(where.stack.lab)


def left(node: Node | Lent) -> str:
    """What a node can still sell, by its own word; empty where it doesn't say."""
    try:
        with _client() as client:
            told = client.get(f"http://{node.address}:{MINT_PORT}{QUESTION}").raise_for_status().json()
        return ", ".join(f"{tier['left']} {tier['name']}" for tier in told["tiers"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ""


def _prove(where: Where, wanted: Wanted, before: Mapping[str, Served]) -> dict[str, Any]:
    """Questions at the front that take a claim's way, and what the front itself has counted since."""
    with _client() as client:
        in_hand = fronts.await_last(client, where.geo, wanted.away)
        answered = Counter(_asked(client, where.geo) for _ in range(QUESTIONS))
        after = at_front(client, where.geo)
    wrong = set(answered) - set(wanted.only) if wanted.only else set(answered) & set(wanted.silent)
    if wrong:
        raise EdgedropError(
            f"the front was told, and questions at it are still answered by {', '.join(sorted(wrong))}",
            "type the same again; `edgedrop status` says how the nodes are",
        )
    return {
        "url": where.geo.front_url + QUESTION,
        "answered_by": dict(answered),
        "counted": {name: one.answered - before[name].answered for name, one in after.items() if name in before},
        "in_hand": in_hand,
        "states": {name: one.state for name, one in after.items()},
    }


def _asked(client: httpx.Client, geo: Geography) -> str:
    try:
        return str(client.get(geo.front_url + QUESTION).raise_for_status().headers["X-Edgedrop-Node"])
    except (httpx.HTTPError, KeyError):
        return "nobody"


def _report(where: Where, wanted: Wanted, proof: Mapping[str, Any], *, as_json: bool) -> None:
    by = ", ".join(f"{name} {count}" for name, count in proof["answered_by"].items())
    counted = ", ".join(f"{name} {count}" for name, count in proof["counted"].items())
    say("done: " + "; ".join(f"{name} {state}" for name, state in proof["states"].items()))
    if wanted.away:
        say(f"{', '.join(sorted(wanted.away))}: {proof['in_hand'] or 'no'} claims still in hand")
    say(f"proof: {QUESTIONS} questions at {proof['url']}, a claim's way, were answered by {by}")
    say(f"proof: since then the front has counted answers of {counted}")
    if wanted.back:
        say(f"back: {wanted.back} --drop {where.stack.name}")
    if as_json:
        told = {"act": wanted.what, "drop": where.stack.name, "geography": where.geo.name, "reason": wanted.why}
        tell({**told, "nodes": dict(wanted.hows), "proof": dict(proof)})


def _state(name: str, one: Served) -> str:
    return f"{name} {one.state}" + (f", {one.in_hand} claims in hand" if one.in_hand else "")


def _client() -> httpx.Client:
    """trust_env: a proxy of this machine knows nothing of the drop's addresses."""
    return httpx.Client(timeout=ANSWER_S, trust_env=False)
