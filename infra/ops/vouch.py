"""`edgedrop journal vouch`: the owner's word for a node's journals and for the time, where the node reaches no witness.

It is worth as much as what the person knows: that this is the node's own disk, and no copy of an older one. The word is
signed by the owner's key and stands in the journal.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from infra import keys, stacks
from infra.audit import audited
from infra.errors import BadUsage, NotVerified, Unreachable
from infra.ops.acting import AsJson, Drop, Node, Yes
from infra.ops.drops import drop_named, node_named, plan_of
from infra.ops.output import answer as show
from infra.ops.output import confirm, say, tell
from infra.provision.ssh import Host
from infra.stacks import Stack
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
    def sure(self) -> bool:
        """Somebody vouched for the journal, and it knows the time: no word of the owner's is needed."""
        return self.fresh and self.time["hi"] is not None

    @property
    def journal(self) -> tuple[int, str]:
        """What is vouched for."""
        return self.journal_seq, self.head


def vouch(
    node: Node,
    drop: Drop = None,
    epoch: Annotated[
        int | None, typer.Option(min=1, help="One epoch of the node; all that need it where none is named.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say by the owner's key that a node's journals are the newest, and what time it is."""
    stack = drop_named(drop)
    host, grants = _where(stack, node, epoch)
    found = {number: _question(host, grant) for number, grant in grants.items()}
    wanting = {number: one for number, one in found.items() if not one.sure}
    for number, one in wanting.items():
        say(f"{node}, epoch {number}: {one.journal_seq} frames, head {one.head}; {one.reason}")
    if wanting:
        say("an older copy of its disk would give its tokens a second time: vouch only for the disk that was in it")
        confirm(f"vouch for it, and that it is {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", yes=yes)
        with audited("vouch", stack.name, [node]):
            found |= {number: _vouched(host, one) for number, one in wanting.items()}
    _report(node, found, as_json=as_json)


def _vouched(host: Host, found: Stands) -> Stands:
    """How it stands with the owner's word for what was found."""
    asked = _question(host, found.grant_id)  # its nonce is worth ten seconds: those it took to confirm are too many
    if asked.journal != found.journal:
        raise NotVerified(f"the journal of {host.node} has changed meanwhile", "look at it again: the same command")
    now_ms = time.time_ns() // 1_000_000
    told = Statement(1, witness.OWNER, found.grant_id, asked.nonce, asked.journal_seq, 0, asked.head, now_ms)
    return _ask(host, f"answer {found.grant_id}", witness.sign(told, keys.owner_pem()))


def _where(stack: Stack, name: str, epoch: int | None) -> tuple[Host, dict[int, str]]:
    """The node's box, and the grants that it is to hold, by epoch."""
    _, node = node_named(plan_of(stack), name)
    each = {one.epoch: one.grant_id for one in node.each()}
    if epoch is not None and epoch not in each:
        raise BadUsage(f"{name} has no epoch {epoch}", f"it has {', '.join(map(str, each))}")
    host = Host.of_node(stacks.holder(stack.drop_stack, node.geo, elastic=node.elastic).name, node)
    return host, {number: grant for number, grant in each.items() if epoch in (None, number)}


def _question(host: Host, grant_id: str) -> Stands:
    return _ask(host, f"question {grant_id}")


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


def _report(node: str, now: Mapping[int, Stands], *, as_json: bool) -> None:
    if as_json:
        tell({"node": node, "epochs": [{"epoch": number, **msgspec.to_builtins(one)} for number, one in now.items()]})
        return
    for number, one in now.items():
        named = f"{node}, epoch {number}" if len(now) > 1 else node
        state = "it can sell" if one.ready else one.reason
        show(f"{named}: vouched for; {state}" if one.fresh else f"{named}: not vouched for: {one.reason}")
        if refused := one.time.get("refused"):
            show(f"  the time was not believed: {refused}")
