"""How the commands act: say what will be, ask, sign with the holders' keys that are here, submit, read back.

Where fewer than the act needs are here, `--out` writes it to a file that goes from holder to holder (`edgedrop act`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.audit import audited
from infra.errors import BadUsage, EdgedropError
from infra.home import write_private
from infra.ops import effects
from infra.ops.holder_keys import holders_here, payer
from infra.ops.output import confirm, say, tell
from infra.ops.place import Place, told
from infra.ops.standing import WORDS, Standing
from node_image.hub.chain import ChainRefused, Status
from node_image.protocol import collected as collecting
from node_image.protocol.acts import Act, Holder
from node_image.protocol.collected import Collected

NONCE_BITS = 64
HOUR_S = 3600
MOST_HOURS = 24 * 365

Node = Annotated[str, typer.Argument(help="A node of the drop, or a grant id (0x and 64 hex digits).")]
Drop = Annotated[str | None, typer.Option(help="The drop's stack; the only one that is up where none is named.")]
Epoch = Annotated[int | None, typer.Option(min=1, help="Another epoch of the node than its newest.")]
Rpc = Annotated[str | None, typer.Option(help="A node of its chain; by default the lab's on this machine.")]
Contract = Annotated[str | None, typer.Option(help="The drop's contract, where this machine doesn't know the drop.")]
Keys = Annotated[
    list[Path] | None, typer.Option("--key", help="A holder's key file (0x hex, mode 0600); once for each holder.")
]
Pay = Annotated[Path | None, typer.Option(help="The key file of the account that pays for the transaction.")]
Out = Annotated[Path | None, typer.Option(help="Submit nothing: write the act to this file, for others to sign.")]
Hours = Annotated[float, typer.Option(help="How long signatures under it hold.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON on stdout.")]


@dataclass(frozen=True, slots=True)
class Ways:
    """How it is to be done, as the command line says."""

    keys: Sequence[Path] = ()
    pay: Path | None = None
    out: Path | None = None
    yes: bool = False
    as_json: bool = False


def terms(place: Place, hours: float) -> dict[str, Any]:
    """A fresh act's nonce and deadline, by the chain's clock or ours, whichever is later."""
    if not 0 < hours <= MOST_HOURS:
        raise BadUsage(f"--hours {hours}", f"give more than 0 and at most {MOST_HOURS}")
    with told():
        _, now = place.chain.block()
    return {
        "nonce": str(secrets.randbits(NONCE_BITS)),
        "deadline": max(now, int(time.time())) + int(hours * HOUR_S),
    }


def carry_out(place: Place, act: Act, before: Standing, ways: Ways, extra: Mapping[str, Any] | None = None) -> None:
    """One act from words to proof, or into a file; done already is said and ends well."""
    before.tell()
    with told():
        already = effects.done(place.chain, place.contract, act)
        holders = place.chain.holders(place.contract)
    if already:
        report(place, act, before, ways, None, extra)
        return
    wanted = Collected(1, place.chain_id, place.contract, act)
    say(wanted.words())
    if ways.out is not None:
        _write(wanted, holders, ways, ways.out)
        return
    keys = holders_here(ways.keys, holders)
    if len(keys) < act.needed:
        raise BadUsage(
            f"{act.needed} of the holders must sign, this machine holds the keys of {len(keys)}",
            "give --key <file> for each, or --out act.json and let them sign it elsewhere (edgedrop act sign)",
        )
    confirm(f"sign this as {', '.join(list(keys)[: act.needed])} and submit it", yes=ways.yes)
    for key in list(keys.values())[: act.needed]:
        with told():
            wanted = collecting.sign(wanted, key, holders)
    report(place, act, before, ways, submit(place, wanted, ways.pay, list(keys.values())), extra)


def submit(place: Place, signed: Collected, pay: Path | None, own: Sequence[str]) -> Mapping[str, Any] | None:
    """The receipt; None where another process did the same meanwhile."""
    with told():
        key = payer(place, pay, own)
        try:
            with audited(type(signed.act).__name__, place.trail, [signed.act.grant_id]):
                return place.chain.submit(key, place.contract, signed)
        except ChainRefused:
            if effects.done(place.chain, place.contract, signed.act):
                return None
            raise


def report(
    place: Place,
    act: Act,
    before: Standing | None,
    ways: Ways,
    receipt: Mapping[str, Any] | None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """What was done, by which transaction, and what the chain says now."""
    with told():
        found = effects.proof(place.chain, place.contract, act)
        good = effects.done(place.chain, place.contract, act)
    tx = "0x" + bytes(receipt["transactionHash"]).hex() if receipt else None
    answer = {
        "act": type(act).__name__,
        "grant_id": act.grant_id,
        "contract": place.contract,
        "chain_id": place.chain_id,
        "before": before.data() if before else None,
        "already": receipt is None,
        "tx": tx,
        "block": receipt["blockNumber"] if receipt else None,
        "now": found,
        "unseen": list(before.unseen) if before else [],
        **(extra or {}),
    }
    say(f"done: transaction {tx}, block {answer['block']}" if receipt else "done already: nothing was sent")
    say(f"the chain says: {WORDS[Status[found['status'].upper()]]}")
    for name, value in found.items():
        if name != "status":
            say(f"{name}: {value}")
    if ways.as_json:
        tell(answer)
    if not good:
        raise EdgedropError("the chain does not stand as the act wants it", "type: edgedrop act show, and look again")


def _write(wanted: Collected, holders: Sequence[Holder], ways: Ways, out: Path) -> None:
    """The act into a file, signed with the keys that were named and no others."""
    if out.exists():
        raise BadUsage(f"{out} is there already", "name another file, or sign that one: edgedrop act sign")
    keys = holders_here(ways.keys, holders) if ways.keys else {}
    if keys:
        confirm(f"sign this as {', '.join(keys)} and write it to {out}", yes=ways.yes)
    for key in keys.values():
        with told():
            wanted = collecting.sign(wanted, key, holders)
    write_act(out, wanted)
    say(f"{out}: {who(wanted, holders)}")


def write_act(out: Path, wanted: Collected) -> None:
    """Whole or not at all."""
    if not out.absolute().parent.is_dir():
        raise BadUsage(f"{out.parent} is no folder", "name a file in one that is there")
    write_private(out.absolute(), collecting.dump(wanted) + b"\n")


def who(wanted: Collected, holders: Sequence[Holder]) -> str:
    """Who has signed, who is missing."""
    signed = {one.holder for one in wanted.signatures}
    given = ", ".join(one.holder for one in wanted.signatures) or "nobody"
    others = ", ".join(one.address for one in holders if one.address not in signed)
    short = collecting.missing(wanted)
    return f"signed by {given}; " + (f"{short} more of {others} must sign" if short else "that is enough to submit it")
