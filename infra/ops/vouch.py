"""`edgedrop journal vouch`: the owner's word for a node's journal and for the time, where the node reaches no witness.

It is worth as much as what the person knows: that this is the node's own disk, and no copy of an older one. The word is
signed by the owner's key and stands in the journal.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from infra import keys, stacks
from infra.errors import BadUsage, NotVerified, Unreachable
from infra.ops.acting import AsJson, Drop, Node, Yes
from infra.ops.drops import plan_of
from infra.ops.output import answer as show
from infra.ops.output import confirm, say, tell
from infra.provision.ssh import Host
from node_image.protocol import witness
from node_image.protocol.witness import Statement

ASK = "docker exec -i edgedrop-signer python3 -m node_image.signer.vouching"
ASK_S = 20.0


class Stands(msgspec.Struct, frozen=True):
    """How a node's signer stands; `head` and `nonce` where it was asked for them."""

    grant_id: str
    journal_seq: int
    fresh: bool
    ready: bool
    reason: str
    time: dict[str, Any]
    head: str = ""
    nonce: str = ""

    @property
    def journal(self) -> tuple[int, str]:
        """What is vouched for."""
        return self.journal_seq, self.head


def vouch(node: Node, drop: Drop = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Say by the owner's key that a node's journal is the newest, and what time it is."""
    host, grant_id = _where(drop, node)
    found = _ask(host, "question")
    if found.grant_id != grant_id:
        raise NotVerified(f"{node} holds the grant {found.grant_id}, not {grant_id}", "edgedrop up puts that right")
    if found.fresh and found.time["hi"] is not None:
        _report(node, found, as_json=as_json)
        return
    say(f"{node}: {found.journal_seq} frames, head {found.head}; {found.reason}")
    say("an older copy of its disk would give its tokens a second time: vouch only for the disk that was in it")
    confirm(f"vouch for it, and that it is {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", yes=yes)
    asked = _ask(host, "question")  # its nonce is worth ten seconds: those it took to confirm would be too many
    if asked.journal != found.journal:
        raise NotVerified(f"the journal of {node} has changed meanwhile", "look at it again: the same command")
    told = Statement(
        1, witness.OWNER, grant_id, asked.nonce, asked.journal_seq, 0, asked.head, time.time_ns() // 1_000_000
    )
    _report(node, _ask(host, "answer", witness.sign(told, keys.owner_pem())), as_json=as_json)


def _where(drop: str | None, name: str) -> tuple[Host, str]:
    """The node's box, and the grant that it is to hold."""
    held = stacks.drops()
    if drop is None and len(held) != 1:
        raise BadUsage(f"{len(held)} drops are up on this machine", f"--drop <one of: {', '.join(held)}>")
    stack = stacks.load(held[0] if drop is None else drop)
    plan = plan_of(stack)
    node = next((one for one in plan.nodes if one.name == name), None)
    if node is None:
        raise BadUsage(f"{plan.drop} has no node {name}", f"its nodes are {', '.join(one.name for one in plan.nodes)}")
    return Host.of_node(stacks.holder(stack.drop_stack, node.geo).name, node), node.grant_id


def _ask(host: Host, what: str, envelope: bytes = b"") -> Stands:
    done = host.run(f"{ASK} {what}", stdin=envelope, seconds=ASK_S)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unreachable(
            f"{host.node}'s signer: {words[0].removeprefix('error: ') if words else done.returncode}",
            "an answer holds for ten seconds: try again, nearer to the box where the way is slow",
        )
    try:
        return msgspec.json.decode(done.stdout, type=Stands)
    except msgspec.DecodeError as fault:
        raise Unreachable(f"{host.node}'s signer: {fault}", "its release may not know it yet") from fault


def _report(node: str, now: Stands, *, as_json: bool) -> None:
    if as_json:
        tell({"node": node, **msgspec.to_builtins(now)})
        return
    state = "it can sell" if now.ready else now.reason
    show(f"{node}: vouched for; {state}" if now.fresh else f"{node}: not vouched for: {now.reason}")
    if refused := now.time.get("refused"):
        show(f"  the time was not believed: {refused}")
