"""What befalls an appliance's grant while the appliance is away, and what is done about it once it is back."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from node_image.hub.redemption import Reason
from node_image.protocol import acts
from node_image.signer.client import SignerClient
from tests.bench.failover_load import Wish
from tests.bench.failover_node import Node
from tests.chaos.fencing_book import Given
from tests.chaos.fencing_place import MONTH_S, Place
from tests.e2e.contract_world import HUB, OPERATOR

TWO = (0, 2)  # of the holders
TRIED = 4  # claims that a clone is asked for


@dataclass
class Cycle:
    """One: `asked` are all its claims, the first of them `old`: the appliance answered those before it was struck."""

    place: Place
    old: list[Wish]
    asked: list[Wish] = field(default_factory=list)
    older: Node | None = None  # the appliance's disk before that
    proven: dict[str, Given] = field(default_factory=dict)  # by claim: with a checkpoint's proof
    closing: tuple[list[int], bytes] = ([], b"")  # what the appliance signed
    freed: range | None = None

    def given(self) -> list[Given]:
        """The appliance's vouchers, each with its proof if there is one."""
        found = self.place.vouchers(self.place.node, self.asked)
        return [self.proven.get(one["claim_id"], one) for one in found]

    def left(self) -> list[Given]:
        """Those of claims that did not redeem yet."""
        return [one for one in self.given() if one["claim_id"] in self.place.book.unredeemed()]


@dataclass(frozen=True, slots=True)
class Fate:
    """Before it is struck, in the same moment, while it is away, and when it is back and all was submitted.

    The chain must have refused something for the reason `shows`, else the cycle shows nothing.
    """

    shows: Reason | None
    before: Callable[[Cycle], None] = lambda _: None
    struck: Callable[[Cycle], None] = lambda _: None
    away: Callable[[Cycle], None] = lambda _: None
    back: Callable[[Cycle], None] = lambda _: None


def anchored(cycle: Cycle) -> None:
    """What it sold is under a checkpoint."""
    place, given = cycle.place, cycle.place.vouchers(cycle.place.node, cycle.old)
    root, proven = place.acts.checkpoint(*by_batch(given))
    place.there.chain.anchor(HUB, place.there.contract, place.grant, root, [high(given)])
    remember(cycle, root, proven)


def frozen(cycle: Cycle) -> None:
    """One holder is enough."""
    cycle.place.acts.do(acts.Freeze, cycle.place.grant, 1)
    cycle.place.book.grants[cycle.place.grant].suspected = True


def unfrozen(cycle: Cycle) -> None:
    """It was nothing: what waited redeems."""
    place = cycle.place
    place.acts.do(acts.Unfreeze, place.grant, *TWO)
    place.book.grants[place.grant].suspected = False
    place.redeem(cycle.left())


def revoked(cycle: Cycle) -> None:
    """For good, while it goes on signing."""
    cycle.place.acts.do(acts.Revoke, cycle.place.grant, *TWO)
    cycle.place.book.grants[cycle.place.grant].suspected = True


def supplemented(cycle: Cycle) -> None:
    """The box is recovered: its whole journal is proven by a supplement, and another one takes its place."""
    place, given = cycle.place, cycle.place.vouchers(cycle.place.node, cycle.asked)
    root, proven = place.acts.checkpoint(*by_batch(given))
    place.acts.do(acts.AddRoots, place.grant, *TWO, roots=("0x" + root.hex(),), high_seqs=(high(given),))
    remember(cycle, root, proven)
    place.redeem(cycle.left())
    place.renew()


def closes(cycle: Cycle) -> None:
    """It signs its close-out, the hub has its last frame, and it is gone."""
    place = cycle.place
    asked = SignerClient(place.node.drop.socket).ask("close", envelope=place.node.drop.close())
    told = asyncio.run(asked)
    cycle.closing = list(told["high_seqs"]), told["signature"]
    place.ship()


def closed_out(cycle: Cycle) -> None:
    """The hub signs it too and the chain frees the rest; a disk from before comes up, as if nothing had been."""
    place, (highs, signature) = cycle.place, cycle.closing
    _, of_the_hub = place.acts.close_signatures(place.grant, highs)
    place.there.chain.close_out(OPERATOR, place.there.contract, place.grant, highs, (signature, of_the_hub))
    grant = place.book.grants[place.grant]
    cycle.freed = range(grant.start + highs[0], grant.start + grant.quota)
    grant.quota = highs[0]
    cloned(cycle)


def cloned(cycle: Cycle) -> None:
    """That disk sells nothing: by the witness's word, or since no witness answers it."""
    place, clone = cycle.place, cycle.older
    if clone is None:
        raise RuntimeError("no disk was copied")
    clone.up()
    if place.bug.signer or place.random.random() < 0.5:
        place.vouch(clone)
    fresh = place.wishes(TRIED)
    for wish in (*cycle.old[:TRIED], *fresh):
        place.straight(clone, wish)
    clone.halt()
    cycle.asked += fresh
    place.sell(fresh)


def month_passes(cycle: Cycle) -> None:
    """On chain, until its lease can't be redeemed."""
    place = cycle.place
    place.acts.at(place.there.chain.block()[1] + MONTH_S + 1)


def asked_again(cycle: Cycle) -> None:
    """Whose voucher came too late asks for the same claim at the spare."""
    place, late = cycle.place, cycle.place.book.unredeemed()
    wanted = [wish for wish in cycle.asked if wish.claim_id in late]
    given = [place.straight(place.spare, wish) for wish in wanted]
    place.redeem([one for one in given if one])
    place.renew()


def copied(cycle: Cycle) -> None:
    """Its disk, and then it sells more."""
    place = cycle.place
    cycle.older = place.older_disk()
    more = place.wishes(len(cycle.old))
    place.at_the_site(more)  # by the front the spare may answer them: then this disk would be the newest
    cycle.old += more


def by_batch(given: Sequence[Given]) -> list[list[Given]]:
    """The vouchers of each batch."""
    found: dict[int, list[Given]] = defaultdict(list)
    for one in given:
        found[one["batch"]["batchSeq"]].append(one)
    return list(found.values())


def high(given: Sequence[Given]) -> int:
    """Every seq of the appliance that was given is below it."""
    return 1 + max(int(one["voucher"]["seq"]) for one in given)


def remember(cycle: Cycle, root: bytes, proven: Sequence[Given]) -> None:
    """An anchored root, and the vouchers that it proves."""
    cycle.place.book.grants[cycle.place.grant].roots.add("0x" + root.hex())
    cycle.proven |= {one["claim_id"]: one for one in proven}


FATES: dict[str, Fate] = {
    "nothing else": Fate(Reason.NULLIFIER_USED),
    "its grant frozen": Fate(Reason.UNPROVEN, before=anchored, away=frozen, back=unfrozen),
    "its grant revoked": Fate(Reason.UNPROVEN, before=anchored, away=revoked, back=supplemented),
    "its grant closed out": Fate(
        None, before=copied, struck=closes, away=closed_out, back=lambda cycle: cycle.place.renew(cycle.freed)
    ),
    "its lease run out": Fate(Reason.TOO_LATE, away=month_passes, back=asked_again),
    "an older disk beside it": Fate(Reason.NULLIFIER_USED, before=copied, away=cloned),
}
