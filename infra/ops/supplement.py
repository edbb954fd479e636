"""`edgedrop supplement`: what was signed after a frozen grant's last checkpoint is added to it by two holders.

The ledger knows which batches those are where the journal arrived; else the journal does, recovered from the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.errors import BadUsage, NotVerified, Unreachable
from infra.ops.acting import Epoch, Node, carry_out, terms
from infra.ops.asked import Asked, holders_command
from infra.ops.journal import WRONG, read_journal, read_witness
from infra.ops.output import say, tell
from infra.ops.place import Place, ask_ledger, grant_named, told
from infra.ops.standing import Standing, standing
from node_image.hub.chain import Status
from node_image.protocol.acts import AddRoots
from node_image.protocol.eip712 import Domain
from node_image.protocol.examine import beside, examine
from node_image.protocol.supplement import Recovered, anchored, recovered, root_of
from node_image.protocol.supplement import supplement as make

SUSPECT = "two histories of one grant are evidence: keep box and journal as they are and decide with the holders"


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be added: roots in order, and by tier up to where all seqs are covered then."""

    roots: tuple[str, ...]
    high_seqs: tuple[int, ...]
    words: tuple[str, ...]


@holders_command
def supplement(
    asked: Asked,
    node: Node,
    epoch: Epoch = None,
    journal: Annotated[
        Path | None, typer.Option(help="The journal, copied off the box; else the ledger is asked.")
    ] = None,
    witness: Annotated[
        str | None,
        typer.Option(metavar="FRAMES:HEAD", help="What a front or a peer saw of it last: only that far is added."),
    ] = None,
) -> None:
    """Add what was signed after the last checkpoint, so that it redeems (2 of 3 holders)."""
    if witness is not None and journal is None:
        raise BadUsage("--witness without --journal", "the ledger adds only what it has verified itself")
    place = asked.place
    grant_id = grant_named(place, node, epoch)
    before = standing(place, grant_id)
    if before.status is Status.NONE:
        raise BadUsage(f"grant {grant_id} was never opened", "name a node of the drop, or its --epoch")
    found = by_journal(place, before, journal, witness) if journal else by_ledger(place, grant_id)
    for line in found.words:
        say(line)
    if not found.roots:
        before.tell()
        say("done already: nothing is there that is not anchored")
        if asked.ways.as_json:
            tell({"act": "AddRoots", "grant_id": grant_id, "already": True, "before": before.data()})
        return
    act = AddRoots(grant_id, found.roots, found.high_seqs, **terms(place, asked.hours))
    carry_out(place, act, before, asked.ways)


def by_ledger(place: Place, grant_id: str) -> Found:
    """The ledger's checkpoints that are not on chain."""
    told_, why = ask_ledger(place, f"/v1/supplement/{grant_id}")
    if told_ is None:
        raise Unreachable(f"no answer from {why}", "give --journal <the journal, copied off the box>")
    words = [
        f"batches {one['first_batch']} to {one['last_batch']}, {one['vouchers']} vouchers: root {one['root']}"
        for one in told_["covers"]
    ]
    if late := told_["uncovered_batches"]:
        words.append(f"{late} more batches have no checkpoint yet: type the same again for them")
    return Found(tuple(told_["roots"]), tuple(told_["high_seqs"]), tuple(words))


def by_journal(place: Place, before: Standing, file: Path, witness: str | None) -> Found:
    """One root over the batches after the last anchored one; the ledger's own must be found in this journal."""
    journal = _recovered(place, before, file, witness)
    with told():
        roots = place.chain.anchored_roots(place.contract, before.grant_id)
        tiers = len(place.chain.tiers(place.contract))
    first = anchored(journal.batches, roots)
    words = [*compared(place, before, journal), f"{first} of {len(journal.batches)} batches are anchored already"]
    if roots and not first:
        words.append("roots are anchored that don't begin with this journal's first batch")
    added = make(journal, first, tiers)
    if added is None:
        return Found((), (), tuple(words))
    words.append(f"batches {added.first} to {added.last}, {added.vouchers} vouchers: root 0x{added.root.hex()}")
    if added.unsigned:
        words.append(f"{added.unsigned} of them are not signed in the journal: redeemable if the key signed them")
    return Found(("0x" + added.root.hex(),), added.high_seqs, tuple(words))


def _recovered(place: Place, before: Standing, file: Path, witness: str | None) -> Recovered:
    """Its batches, all checked: chain, rules, roots, signatures, and that it is this grant's."""
    seen = read_witness(witness) if witness else None
    found = examine(read_journal(file))
    if not found.whole:
        raise NotVerified(f"{file.name} is damaged at byte {found.offset}: {found.damage}", SUSPECT)
    stands = beside(found, *seen) if seen else None
    if stands in WRONG:
        what, _ = WRONG[stands]
        raise NotVerified(f"{file.name} is " + what.format(missing=(seen or (0, ""))[0] - len(found.frames)), SUSPECT)
    separator = Domain(place.chain_id, bytes.fromhex(place.contract[2:])).separator
    with told():
        journal = recovered(found.frames[: seen[0]] if seen else found.frames, separator)
    if "0x" + journal.grant_id.hex() != before.grant_id:
        raise BadUsage(f"{file.name} is of grant 0x{journal.grant_id.hex()}", f"wanted is {before.grant_id}")
    if "0x" + journal.key.hex() != (before.key or "").lower():
        raise NotVerified(f"{file.name} is of key 0x{journal.key.hex()}, on chain is {before.key}", SUSPECT)
    return journal


def compared(place: Place, before: Standing, journal: Recovered) -> list[str]:
    """Both must tell the same of the batches that both have."""
    told_, why = ask_ledger(place, f"/v1/supplement/{before.grant_id}")
    if told_ is None:
        return [f"not looked at: {why}"]
    covers: list[dict[str, Any]] = told_["covers"]
    same = 0
    for one in covers:
        mine = root_of(journal, one["first_batch"], one["last_batch"])
        if mine is None:
            continue
        if "0x" + mine.hex() != one["root"]:
            raise NotVerified(
                f"batches {one['first_batch']} to {one['last_batch']} of the ledger are not this journal's", SUSPECT
            )
        same += 1
    return [f"{same} of the ledger's {len(covers)} roots that are not anchored are this journal's"]
