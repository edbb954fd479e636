"""One look at a node from all sides at once: front, mint, bus, SSH, board. Who is silent is told, and stops nobody."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from infra.errors import EdgedropError
from infra.ops.rungs import Inside, Seen
from infra.ops.served import MINT_PORT, in_service
from infra.plan.model import Geography, Node
from infra.provision import commands, power
from infra.provision.commands import BusAway, Wire
from infra.provision.power import Bmc
from infra.provision.ssh import Host
from node_image.protocol.command import Status
from node_image.recovery.answer import Answer
from node_image.recovery.telling import UNITS
from node_image.spec import node_file

ANSWER_S = 2.0
SSH_S = 25.0
PREFIX = "edgedrop-"
# One line a fact; a hung engine takes 15 s and not the look. Nothing of it is a variable.
LOOK = (
    "echo boot $(cut -c -8 /proc/sys/kernel/random/boot_id)-$(cut -d ' ' -f 22 /proc/1/stat); "  # recovery/clock.py
    f"for unit in {' '.join(UNITS)}; do echo unit $unit $(systemctl is-active $unit); done; "
    "timeout 15 docker ps --all --format 'container {{.Names}} {{.State}}' && echo engine answers; true"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A node and the ways to it; `board` is None where none is known."""

    node: Node
    geo: Geography
    host: Host
    wire: Wire
    board: Bmc | None

    @property
    def has_agent(self) -> bool:
        """A spare's engine is its provider's."""
        return self.node.kind == "appliance"


def look(target: Target) -> Seen:
    """All sides at once, each with its own limit."""
    with ThreadPoolExecutor(5) as pool:
        front, mint = pool.submit(front_says, target), pool.submit(speaks, target)
        bus, ssh, board = pool.submit(_bus, target), pool.submit(_ssh, target), pool.submit(_board, target)
    answers, said = mint.result()
    hub, agent, words, by_bus = bus.result()
    login, seen, by_ssh = ssh.result()
    powered, told = board.result()
    return Seen(
        mint=said,
        speaks=answers,
        front=front.result(),
        bus=words,
        agent=agent,
        hub=hub,
        ssh=seen,
        login=login,
        board=told,
        power=powered,
        inside=by_ssh or by_bus,
        has_agent=target.has_agent,
    )


def front_says(target: Target) -> str:
    """Whom it sends claims to."""
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
        others = in_service(client, target.geo)
    if not others:
        return f"the front of {target.geo.name} does not answer, or has nobody"
    rest = ", ".join(sorted(others - {target.node.name})) or "nobody else"
    return f"sends claims to it and to {rest}" if target.node.name in others else f"sends it none; they go to {rest}"


def speaks(target: Target) -> tuple[bool, str]:
    """Whether its mint does, and what it says."""
    address = target.node.address
    shown = f"[{address}]" if ":" in address else address
    try:
        answer = httpx.get(f"http://{shown}:{MINT_PORT}/readyz", timeout=ANSWER_S, trust_env=False)
    except httpx.HTTPError as fault:
        return False, f"does not answer ({type(fault).__name__})"
    return True, "ready" if answer.is_success else f"answers, and is not ready: {answer.text.strip()[:200]}"


def _bus(target: Target) -> tuple[bool, bool, str, Inside | None]:
    """Whether the hub and the agent answered, the words, and what the agent says of the box."""
    if not target.has_agent:
        return False, False, "a spare has no recovery agent", None
    try:
        stands = commands.ask(target.wire)
    except EdgedropError as fault:
        return not isinstance(fault, BusAway), False, fault.message, None
    words = f"its agent answers{_told_last(stands)}"
    try:
        told = commands.tell(target.wire, Status(), SSH_S)
    except EdgedropError as fault:
        return True, True, f"{words}; asked how the box is: {fault.message}", None
    return True, True, words, _inside(told)


def heard(target: Target) -> bool:
    """Whether its agent answers now."""
    try:
        commands.ask(target.wire)
    except EdgedropError:
        return False
    return True


def _told_last(stands: Answer) -> str:
    last = stands.acted
    if last is None:
        return ", never told to change anything"
    state = "begun, not known to be done" if last.state == "begun" and not stands.running else last.state
    return f"; it was last told to {last.do} ({state}), by the {last.by}"


def _inside(told: Answer) -> Inside | None:
    if told.outcome is None or not told.outcome.status:
        return None
    status = told.outcome.status
    return Inside(told.boot, bool(status["engine"]), _ours(status["containers"]), status["units"])


def _ssh(target: Target) -> tuple[bool, str, Inside | None]:
    """Whether it lets us in, the words, and what is seen there."""
    done = target.host.run(LOOK, seconds=SSH_S)
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        return False, f"does not let us in: {said[:200]}", None
    return True, "lets us in", parse(done.stdout.decode(errors="replace"))


def parse(shown: str) -> Inside:
    """What `LOOK` printed."""
    rows = [line.split() for line in shown.splitlines()]
    boot = next((row[1] for row in rows if row[:1] == ["boot"] and len(row) > 1), "")
    units = {row[1]: row[2] for row in rows if row[:1] == ["unit"] and len(row) > 2}  # noqa: PLR2004  name and state
    found = {row[1]: row[2] for row in rows if row[:1] == ["container"] and len(row) > 2}  # noqa: PLR2004  as above
    return Inside(boot, ["engine", "answers"] in rows, _ours(found), units)


def _ours(containers: Mapping[str, str]) -> dict[str, str]:
    """By service. Names become words of commands, so what node.yaml doesn't name is none of ours."""
    names = {f"{PREFIX}{service}": service for service in node_file().containers}
    return {names[name]: state for name, state in containers.items() if name in names}


def _board(target: Target) -> tuple[bool | None, str]:
    """Whether its power is on; None where no board answers."""
    if target.board is None:
        return None, "no board is known (--bmc-url)"
    try:
        state = power.state(target.board)
    except EdgedropError as fault:
        return None, fault.message
    return state == "on", f"says that its power is {state}"
