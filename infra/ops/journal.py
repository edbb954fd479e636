"""`edgedrop journal check`: what a journal holds, whether a signer may start on it, and what to do where it may not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from infra.errors import BadUsage, FaultyFile, NotVerified
from infra.ops import vouch
from infra.ops.output import answer, tell
from node_image.protocol.examine import Examined, Standing, beside, examine
from node_image.protocol.facts import DropFacts, parse

app = typer.Typer(help="A node's journal: what was signed there, in which order.", no_args_is_help=True)

KEEP = "keep the file and the box as they are"
WORDS = {
    Standing.SAME: "the witness saw the same head: nothing newer is known",
    Standing.AHEAD: "it goes on from what the witness saw: the rest was not shipped yet",
}
WRONG = {
    Standing.BEHIND: (
        "an older copy: the witness saw {missing} frames that are not in it",
        "no signer may start on it, for it would sign their tokens again; find the newer disk, or open the next epoch",
    ),
    Standing.OTHER: (
        "another history than the witness saw: two journals of one grant",
        f"{KEEP}, freeze the grant: two chains from one head are evidence of a copied key",
    ),
}


@app.callback()
def journal() -> None:
    """A node's journal: what was signed there, in which order."""


app.command()(vouch.vouch)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The journal, copied off the node.")],
    facts: Annotated[Path | None, typer.Option(help="The node's drop.json: signatures are checked, too.")] = None,
    witness: Annotated[
        str | None, typer.Option(metavar="FRAMES:HEAD", help="What the ledger, a front or a peer saw of it last.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Read it, change nothing; ends with 6 where no signer may start on it."""
    seen = read_witness(witness) if witness else None
    found = examine(read_journal(file), _facts(facts) if facts else None)
    stands = beside(found, *seen) if seen else None
    told = _data(found, file, facts is not None) | {"witness": stands.value if stands else None}
    if as_json:
        tell(told)
    else:
        _show(told, stands)
    if not found.whole:
        raise NotVerified(
            f"{file.name} is damaged at byte {found.offset}: {found.damage}",
            f"{KEEP}; what stands before that byte verifies. Let the ledger say what it holds (edgedrop status) "
            "and open the next epoch for the node",
        )
    if stands in WRONG:
        what, todo = WRONG[stands]
        raise NotVerified(f"{file.name} is " + what.format(missing=(seen or (0, ""))[0] - len(found.frames)), todo)


def _data(found: Examined, file: Path, signatures: bool) -> dict[str, Any]:
    state = found.state
    return {
        "file": str(file),
        "whole": found.whole,
        "grant_id": "0x" + state.grant_id.hex(),
        "key": "0x" + state.key.hex(),
        "frames": len(found.frames),
        "head": state.head.hex(),
        "claims": len(state.claims),
        "batches": len(state.batches),
        "unsigned": len(state.unsigned()),
        "signatures_checked": signatures,
        "left": {str(tier): lease.quota - state.next_seq[tier] for tier, lease in state.leases.items()},
        "torn_bytes": found.torn,
        "damage": found.damage,
        "offset": found.offset if found.damage else None,
    }


def _show(told: dict[str, Any], stands: Standing | None) -> None:
    answer(f"grant {told['grant_id']}, key {told['key']}")
    answer(f"{told['frames']} frames verify, head {told['head']}")
    checked = "signed by the grant's key" if told["signatures_checked"] else "signatures not checked (--facts)"
    answer(f"{told['claims']} claims in {told['batches']} batches, {checked}")
    if told["unsigned"]:
        answer(f"{told['unsigned']} batches without a signature: the signer signs the same digests at its next start")
    if told["torn_bytes"]:
        answer(f"{told['torn_bytes']} bytes of an unfinished append: nothing in it was signed, the signer cuts it off")
    for tier, left in told["left"].items():
        answer(f"tier {tier}: {left} tokens left")
    if stands in WORDS:
        answer(WORDS[stands])
    if told["whole"] and stands not in WRONG:
        answer("[green]good[/]: a signer may start on it")


def read_witness(text: str) -> tuple[int, str]:
    """The option's count and head."""
    match = re.fullmatch(r"(\d{1,18}):(?:0x)?([0-9a-f]{64})", text)
    if match is None:
        raise BadUsage("--witness is not FRAMES:HEAD", "as in 1042:9f86d0..., a count and 64 hex digits")
    return int(match[1]), match[2]


def read_journal(file: Path) -> bytes:
    """Its bytes; BadUsage where there is no such file."""
    try:
        return file.read_bytes()
    except OSError as fault:
        raise BadUsage(f"{file}: {fault.strerror}", "give the journal's file, copied off the node") from fault


def _facts(file: Path) -> DropFacts:
    try:
        return parse(read_journal(file))
    except msgspec.DecodeError as fault:
        raise FaultyFile(f"{file.name} is no drop.json: {fault}", "it lies in the node's /etc/edgedrop") from fault
