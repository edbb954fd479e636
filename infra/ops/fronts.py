"""A geography's fronts at run time: told by their own loopback, asked by their metrics, without hub or Pulumi's state.

Where they are follows from what this machine keeps of the stack and from the plan.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection, Mapping

import httpx

from infra import diversions, stacks
from infra.errors import MissingTool, Unreachable
from infra.ops.output import say
from infra.ops.served import at_front, seen_at
from infra.plan.model import Geography
from node_image.front.config import ADMIN_PORT, Kind
from node_image.front.runtime import How, words

SPOKEN_S = 10.0
LAST_S = 5.0  # a front gives a node 0.8 s for an answer
POLL_S = 0.1
SAY = f'exec 3<>/dev/tcp/127.0.0.1/{ADMIN_PORT} && printf "%s\\n" "$1" >&3 && cat <&3'


def tell(drop: str, geo: Geography, hows: Mapping[str, How]) -> None:
    """How its fronts are to treat nodes from now on. One of a pair that can't be told is named, and stops nothing."""
    kinds: dict[str, Kind] = {node.name: node.kind for node in geo.at_front} | {one.name: "lent" for one in geo.lent}
    command = "; ".join(words(name, kinds[name], how) for name, how in hows.items())
    stack = stacks.holder(drop, geo.name).name
    faults = [fault for one in geo.fronts if (fault := _told(f"{stack}-{one.name}", command))]
    if len(faults) == len(geo.fronts):
        raise faults[0]
    for fault in faults:
        say(f"[bold yellow]{fault.message}: it was not told; the other front of {geo.name} was[/]")


def tell_borrowers(drop: str, geo: Geography, hows: Mapping[str, How]) -> None:
    """Of its spares, at the fronts that they are lent to; one that can't be told is named, and stops nothing."""
    lent = [node.name for node in geo.nodes if node.kind == "spare" and node.name in hows]
    command = "; ".join(words(name, "lent", hows[name]) for name in lent)
    for borrower in geo.borrowers if lent else ():
        stack = stacks.holder(drop, borrower.geo).name
        for one in borrower.fronts:
            if fault := _told(f"{stack}-{one.name}", command):
                say(f"[bold yellow]{fault.message}: it was not told, and may still borrow {', '.join(lent)}[/]")


def _told(front: str, command: str) -> Unreachable | None:
    """Why it did not do it; HAProxy says nothing where it did."""
    typed = ["docker", "exec", front, "bash", "-c", SAY, "bash", command]
    try:
        done = subprocess.run(typed, capture_output=True, text=True, timeout=SPOKEN_S, check=False)
    except OSError as fault:
        raise MissingTool("there is no docker command here", "type: edgedrop doctor") from fault
    except subprocess.TimeoutExpired:
        return Unreachable(f"{front} does not answer", "type: edgedrop status")
    if done.returncode == 0 and not done.stdout.strip():
        return None
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return Unreachable(f"{front}: {said[-1] if said else done.returncode}", "type: edgedrop up, which mends a front")


def give_back(drop: str, geo: Geography, node: str) -> None:
    """As it was before something was done to it: what a person had diverted stays so."""
    held = diversions.read(drop).get(node)
    tell(drop, geo, {node: held.how if held else "ready"})
    tell_borrowers(drop, geo, {node: held.how if held and held.act != "failover" else "ready"})


def await_last(client: httpx.Client, geo: Geography, nodes: Collection[str]) -> int:
    """Until what they were sent before is answered; how many claims they still have in hand after a while."""
    deadline = time.monotonic() + LAST_S
    borrowers = [front.address for one in geo.borrowers for front in one.fronts]
    while True:
        seen = at_front(client, geo)
        each = (seen, *(seen_at(client, address) for address in borrowers))
        left = sum(one.in_hand for front in each for name, one in front.items() if name in nodes)
        if (seen and not left) or time.monotonic() > deadline:
            return left
        time.sleep(POLL_S)  # the pace of asking
