"""`edgedrop recover`: walks the ladder to a node that does not answer, and tells what it sees on each rung.

It needs this machine's record of the stack and the plan; the hub is one of the ways, and not needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from infra import audit, stacks
from infra.errors import BadUsage, EdgedropError, Unreachable
from infra.ops.acting import AsJson, Drop, Yes
from infra.ops.drops import drop_named, node_named, plan_of
from infra.ops.looking import Target, heard, look, speaks
from infra.ops.output import confirm, say, tell
from infra.ops.rungs import AGENT_UNITS, KINDS, PROVE_S, Kind, Seen, Step, next_step, well
from infra.plan import plan_lab
from infra.provision import commands, power
from infra.provision.commands import Wire
from infra.provision.power import Bmc
from infra.provision.ssh import Host
from infra.spec import read_drop
from infra.stacks import Stack
from node_image.protocol.command import ENGINE, Action, Reboot, Restart
from node_image.recovery import doing

BUS_PORT = 4222
POLL_S = 1.0
REMOTE_S = 150.0
UpTo = Literal["services", "engine", "reboot", "power"]
LAST: dict[UpTo, Kind] = {"services": "signer", "engine": "engine", "reboot": "reboot", "power": "power"}

BmcUrl = Annotated[
    str | None, typer.Option(help="Its board's Redfish address, https://..; no board where none is named.")
]
BmcUser = Annotated[str, typer.Option(help="Who we are at the board.")]
BmcFile = Annotated[
    Path | None, typer.Option(help="The file with the board's password (mode 0600); never a word here.")
]
BmcCa = Annotated[Path | None, typer.Option(help="The PEM that the board's certificate is checked against.")]


def recover(
    node: Annotated[str, typer.Argument(help="A node of the drop.")],
    drop: Drop = None,
    up_to: Annotated[UpTo, typer.Option(help="The last rung that may be taken.")] = "power",
    bmc_url: BmcUrl = None,
    bmc_user: BmcUser = "admin",
    bmc_password_file: BmcFile = None,
    bmc_ca: BmcCa = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Look at a node from all sides, and climb: restart what hangs, the engine, the box, its power, until it answers.

    Each rung is told before it is taken, and its end is seen before the next. Works without the hub, over SSH.
    """
    named = board_of(bmc_url, bmc_user, bmc_password_file, bmc_ca)
    target = target_of(node, drop, named or board_at_site(drop_named(drop), node))
    seen, taken = climb(target, up_to, lambda step: confirm(step.words(node), yes=yes))
    _report(node, seen, taken, as_json=as_json)


def climb(target: Target, up_to: UpTo, ask: Callable[[Step], None]) -> tuple[Seen, list[dict[str, Any]]]:
    """Rung by rung until it is well or none is left; the last look, and what was done."""
    seen = _shown(look(target))
    tried: list[Kind] = [*KINDS[KINDS.index(LAST[up_to]) + 1 :]]
    taken: list[dict[str, Any]] = []
    while not well(seen) and (step := next_step(seen, tried)) is not None:
        ask(step)
        tried.append(step.kind)
        fault = _taken(target, step)
        if not fault:
            _await(target, step)
        before, seen = seen, look(target)
        taken.append({**asdict(step), "fault": fault, "well": well(seen), "booted": _booted(before, seen)})
        say(f"{step.kind}: {fault or ('done, and it helped' if well(seen) else 'done, and it is not well yet')}")
        _shown(seen)
    return seen, taken


def target_of(name: str, drop: str | None, board: Bmc | None) -> Target:
    """The node, by what this machine keeps of its stack."""
    stack = drop_named(drop)
    geo, node = node_named(plan_of(stack), name)
    host = Host.of_node(stacks.holder(stack.drop_stack, geo.name, elastic=node.elastic).name, node)
    hub = plan_lab(stacks.load(stack.lab).slot)
    return Target(node, geo, host, Wire(f"{hub.bus}:{BUS_PORT}", stack.drop_stack, name), board)


def board_of(url: str | None, user: str, password_file: Path | None, ca: Path | None) -> Bmc | None:
    """The board that is named, with the password from its file."""
    if url is None:
        return None
    if password_file is None:
        raise BadUsage("--bmc-url without --bmc-password-file", "name the file that holds the board's password")
    return power.bmc(url, user, password_file, ca)


def board_at_site(stack: Stack, node: str) -> Bmc | None:
    """What the site file says of its box's board; None for a box of our own, or one without."""
    file = read_drop(Path(stack.drop_file))
    named = (geo.boxes[node] for geo in file.spec.geographies if node in geo.boxes)
    spec = next((file.box(one).bmc for one in named), None)
    return power.bmc(str(spec.url), spec.user, Path(spec.password_file)) if spec else None


def _taken(target: Target, step: Step) -> str:
    """Do it, on the audit trail before and after; why it could not be done, or nothing."""
    what, stack, nodes = f"recover: {step.kind}", target.wire.stack, (target.node.name,)
    begun = audit.append(what, stack, nodes, "", audit.BEGUN)
    fault = _take(target, step)
    audit.append(what, stack, nodes, "", f"failed: {fault}" if fault else audit.DONE, of=begun)
    return fault


def _take(target: Target, step: Step) -> str:
    """Do it; why it could not be done, or nothing."""
    try:
        if step.way == "board" and target.board is not None:
            power.cycle(target.board)
        elif step.way == "bus":
            _by_bus(target.wire, step)
        else:
            _by_ssh(target.host, step)
    except EdgedropError as fault:
        return fault.message
    return ""


def _by_bus(wire: Wire, step: Step) -> None:
    actions: list[Action] = [Restart(service) for service in step.services] or [Reboot()]
    for action in actions:
        told = commands.tell(wire, action)
        if told.refused:
            raise EdgedropError(f"{wire.node} refuses ({told.refused.code}): {told.refused.reason}")
        if told.newest and told.newest.state == "failed":
            raise EdgedropError(f"{wire.node}: {told.newest.said}")


def _by_ssh(host: Host, step: Step) -> None:
    for words in remote(step):
        done = host.run(" ".join(words), seconds=REMOTE_S)
        if done.returncode != 0:
            said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise Unreachable(f"{host.node}: {' '.join(words)}: {said[:200]}", "the next rung")


def remote(step: Step) -> list[tuple[str, ...]]:
    """What is typed over SSH: the door's own words; a service's name out of node.yaml is the only variable."""
    if step.kind == "agent":
        return [("systemctl", "restart", *AGENT_UNITS)]
    if step.kind == "reboot":
        return [doing.REBOOT]
    return [doing.RESTART_ENGINE if one == ENGINE else doing.restart(one) for one in step.services]


def _await(target: Target, step: Step) -> None:
    """Until what the step was to mend answers, or for as long as that may take."""
    deadline = time.monotonic() + PROVE_S[step.kind]
    while not (heard(target) if step.kind == "agent" else speaks(target)[0]) and time.monotonic() < deadline:
        time.sleep(POLL_S)  # the pace of asking


def _booted(before: Seen, now: Seen) -> bool | None:
    """Whether it was booted in between; None where a side of it was not seen."""
    if before.inside is None or now.inside is None:
        return None
    return before.inside.boot != now.inside.boot


def _shown(seen: Seen) -> Seen:
    for line in seen.lines():
        say(escape(line))
    return seen


def _report(node: str, seen: Seen, taken: list[dict[str, Any]], *, as_json: bool) -> None:
    good = well(seen)
    if as_json:
        tell({"node": node, "well": good, "seen": seen.data(), "steps": taken})
    if good:
        said = "it answers" if seen.mint == "ready" else "it answers, and says itself what it lacks"
        say(f"{node}: {said}{'' if taken else '; nothing was to be done'}")
        return
    fault = Unreachable if not (seen.agent or seen.login) else EdgedropError
    raise fault(
        f"{node} is not well, and no rung is left",
        "its buyers are served by its neighbours; somebody must go there: docs/runbooks/recover.md",
    )
