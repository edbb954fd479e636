"""`edgedrop command`: one signed command to a box's recovery agent, over the bus: where SSH has no way in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from infra.audit import audited
from infra.errors import BadUsage, EdgedropError
from infra.ops import by_bus, following, looking
from infra.ops.acting import AsJson, Drop, Yes
from infra.ops.drops import drop_named
from infra.ops.output import answer as show
from infra.ops.output import confirm, say
from infra.ops.output import tell as print_json
from infra.ops.recover import target_of
from infra.provision import commands
from infra.provision.commands import Wire
from node_image.protocol.command import (
    MOST_LINES,
    MOST_REASON,
    Action,
    Drain,
    Logs,
    Reboot,
    ReleaseKeys,
    Restart,
    Rollback,
    Status,
    Undrain,
)
from node_image.recovery.answer import Answer

What = Literal["status", "logs", "restart", "drain", "undrain", "rollback", "reimage", "release-keys", "reboot"]
WORDLESS: dict[What, Action] = {
    "status": Status(),
    "undrain": Undrain(),
    "rollback": Rollback(),
    "release-keys": ReleaseKeys(),
    "reboot": Reboot(),
}
WHAT = "status, logs, restart <service>, drain, undrain, rollback, reimage, release-keys, reboot."
ARGUMENTS = "restart takes a service of node.yaml or `engine`, the others nothing"


def command(
    node: Annotated[str, typer.Argument(help="An appliance of the drop.")],
    what: Annotated[What, typer.Argument(help=WHAT)],
    service: Annotated[str, typer.Argument(help="For restart: a service of node.yaml, or `engine`.")] = "",
    drop: Drop = None,
    reason: Annotated[str, typer.Option(help="For drain: why, as the box tells whoever asks it.")] = "",
    release: Annotated[
        str | None, typer.Option(help="For reimage: as `edgedrop reimage` takes it; else what the drop file wants.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="For reimage: also one that failed there before.")] = False,
    lines: Annotated[int, typer.Option(min=1, max=MOST_LINES, help="Of each log.")] = 200,
    out: Annotated[
        Path | None, typer.Option(help="Where the logs go (.tar.gz); <node>.tar.gz where nothing is said.")
    ] = None,
    leave: Annotated[
        int | None,
        typer.Option(min=1, max=1439, metavar="MINUTES", help="For a box that is away: it holds for so long."),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Tell a box what to do, signed by the responder's key; it does it at most once and says what came of it."""
    _check(what, service, reason, reimages=release is not None or again, leave=leave)
    action = action_of(what, service, lines, reason)
    target = target_of(node, drop, None)
    wire = target.wire
    if action is None:
        by_bus.reimage(drop_named(drop), target, release, again=again, yes=yes, as_json=as_json)
        return
    if isinstance(action, Drain):
        say(f"front  {looking.front_says(target)}")
    if not isinstance(action, (Status, Logs)):
        confirm(_words(what, node, service), yes=yes)
    if leave is not None:
        with audited(f"command: {what}, left there", wire.stack, [node], reason):
            sequence = commands.leave(wire, action, leave * 60)
        say(f"{node}: left as number {sequence} for {leave} minutes; edgedrop recover {node} says what came of it")
        return
    told = _told(wire, what, action, reason)
    if told.refused:
        raise following.refusal(node, told.refused)
    if told.outcome and told.outcome.bundle:
        file = out or Path(f"{node}.tar.gz")
        file.write_bytes(told.outcome.bundle)
        say(f"{node}: the logs are in {file}")
    if isinstance(action, Reboot) and told.newest:
        told = following.boot(wire, told.newest.boot)
    _report(node, told, as_json=as_json)
    if isinstance(action, Rollback):
        state = following.switched(wire)
        counts = by_bus.rolled_back(drop_named(drop), node, state["release"])
        say(f"done: {node} runs release {state['release'][:12]} again; {counts}")


def _words(what: What, node: str, service: str) -> str:
    """What a person is asked."""
    if what == "release-keys":
        return f"destroy the signing keys of {node} for good"
    return f"{what} {service} on {node}" if service else f"{what} {node}"


def _told(wire: Wire, what: What, action: Action, reason: str) -> Answer:
    """What changes nothing is on no audit trail."""
    if isinstance(action, (Status, Logs)):
        return commands.tell(wire, action)
    with audited(f"command: {what}", wire.stack, [wire.node], reason):
        return commands.tell(wire, action)


def _check(what: What, service: str, reason: str, *, reimages: bool, leave: int | None) -> None:
    """Words that are another command's."""
    if bool(service) is not (what == "restart"):
        raise BadUsage(f"{what} {service}".strip(), ARGUMENTS)
    if reason and what != "drain":
        raise BadUsage(f"{what} --reason", "drain takes a reason, the others none")
    if not (len(reason) <= MOST_REASON and reason.isprintable()):
        raise BadUsage("--reason is too long, or no single line", f"at most {MOST_REASON} characters")
    if reimages and what != "reimage":
        raise BadUsage(f"{what} takes no release", "--release and --again are for reimage")
    if leave is not None and what == "reimage":
        raise BadUsage("reimage --leave", "a re-image is followed to its end: type it when the box is back")


def action_of(what: What, service: str, lines: int, reason: str) -> Action | None:
    """With its argument, where it takes one; None for a re-image, whose document is yet to be made."""
    with_words: dict[What, Action] = {"logs": Logs(lines), "restart": Restart(service), "drain": Drain(reason)}
    return (WORDLESS | with_words).get(what)


def _report(node: str, told: Answer, *, as_json: bool) -> None:
    if as_json:
        bare = msgspec.structs.replace(told.outcome, bundle=b"") if told.outcome else None
        print_json(msgspec.to_builtins(msgspec.structs.replace(told, outcome=bare, nonce="")))
    elif told.outcome and told.outcome.status:
        for name, value in told.outcome.status.items():
            show(f"{name}: {value}")
    if told.newest is None:
        return
    say(f"{node}: {told.newest.do} {told.newest.sequence}: {told.newest.state}; {told.newest.said}")
    if told.newest.state != "done":
        raise EdgedropError(
            f"{node}: {told.newest.do} is {told.newest.state}: {told.newest.said}", f"type: edgedrop recover {node}"
        )
