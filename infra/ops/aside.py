"""A node stands aside: its front sends it no new claim while something is done to it, so that no buyer meets the gap.

That is run-time state of the front's HAProxy, never drift; when the node takes claims again, its checks say.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import httpx

from infra import stacks
from infra.errors import Unreachable
from infra.ops.output import say
from infra.ops.served import ANSWER_S, STATS_PORT, in_service
from infra.plan.model import Geography
from node_image.front.config import ADMIN_PORT

SPOKEN_S = 10.0
LAST_S = 5.0  # a front gives a node 0.8 s for an answer
POLL_S = 0.1
SAY = f'exec 3<>/dev/tcp/127.0.0.1/{ADMIN_PORT} && printf "%s\\n" "$1" >&3 && cat <&3'
SESSIONS = r'^haproxy_server_current_sessions\{{proxy="nodes",server="{node}"\}} (\d+)$'


@contextmanager
def aside(drop: str, geo: Geography, node: str) -> Iterator[None]:
    """From its last answer until the end of what is done meanwhile; a node without a neighbour stays where it is."""
    with httpx.Client(timeout=ANSWER_S, trust_env=False) as client:
        others = in_service(client, geo) - {node}
        if not others:
            say(f"[bold yellow]{geo.name} has no other node in service: its buyers wait while {node} is away[/]")
            yield
            return
        say(f"{node} stands aside: claims go to {', '.join(sorted(others))}")
        away, back = words(node, others)
        _tell_front(drop, geo, away)
        try:
            _await_last(client, geo, node)
            yield
        finally:
            _tell_front(drop, geo, back)


def words(node: str, others: Collection[str]) -> tuple[str, str]:
    """What HAProxy is told before and after.

    A sole neighbour is not checked meanwhile: two late answers would take it out, with nobody to send to instead.
    """
    sole = f"nodes/{next(iter(others))}" if len(others) == 1 else ""
    away, back = f"set server nodes/{node} state drain", f"set server nodes/{node} state ready"
    return (f"disable health {sole}; {away}", f"{back}; enable health {sole}") if sole else (away, back)


def _await_last(client: httpx.Client, geo: Geography, node: str) -> None:
    """Until what it was sent before is answered."""
    deadline, url = time.monotonic() + LAST_S, f"http://{geo.front_address}:{STATS_PORT}/metrics"
    while time.monotonic() < deadline:
        found = re.search(SESSIONS.format(node=re.escape(node)), client.get(url).text, re.MULTILINE)
        if found and found[1] == "0":
            return
        time.sleep(POLL_S)  # the pace of asking


def _tell_front(drop: str, geo: Geography, command: str) -> None:
    """HAProxy says nothing where it did it."""
    front = f"{stacks.holder(drop, geo.name).name}-{geo.name}-front"
    words = ["docker", "exec", front, "bash", "-c", SAY, "bash", command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SPOKEN_S, check=False)
    except subprocess.TimeoutExpired as fault:
        raise Unreachable(f"{front} does not answer", "type: edgedrop status") from fault
    if done.returncode != 0 or done.stdout.strip():
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise Unreachable(f"{front}: {said[-1] if said else done.returncode}", "type: edgedrop up, which mends a front")
