"""A grant as the chain has it, with what the ledger says of its vouchers: what an act on it would mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from infra.ops.output import say
from infra.ops.place import Place, ask_ledger, told
from node_image.hub.chain import Status
from node_image.protocol.acts import when

WORDS = {
    Status.NONE: "never opened",
    Status.OPEN: "open: all that its key signed redeems",
    Status.FROZEN: "frozen: only what an anchored checkpoint proves redeems",
    Status.REVOKED: "revoked for good: only what an anchored checkpoint proves redeems",
    Status.CLOSED: "closed: what was given redeems, nothing more is signed",
}


@dataclass(frozen=True, slots=True)
class Held:
    """The grant's lease in one tier; every seq below `covered` is under an anchored checkpoint."""

    tier: int
    start: int
    quota: int
    covered: int
    not_before: int
    redeem_by: int


@dataclass(frozen=True, slots=True)
class Standing:
    """`issued` and `redeemed` are the ledger's word, None where it gave none; `unseen` says what was not looked at."""

    grant_id: str
    key: str | None
    status: Status
    leases: tuple[Held, ...]
    issued: int | None = None
    redeemed: int | None = None
    unseen: tuple[str, ...] = field(default=())

    @property
    def covered(self) -> int:
        """Vouchers that redeem whatever becomes of the grant."""
        return sum(held.covered for held in self.leases)

    def data(self) -> dict[str, Any]:
        """For machines."""
        leases = [{name: getattr(held, name) for name in Held.__slots__} for held in self.leases]
        mine = {name: getattr(self, name) for name in ("grant_id", "key", "issued", "redeemed")}
        return {**mine, "status": self.status.name.lower(), "covered": self.covered, "leases": leases}

    def tell(self) -> None:
        """For people, on stderr."""
        say(f"grant {self.grant_id}, key {self.key or 'none'}")
        say(f"now {WORDS[self.status]}")
        for held in self.leases:
            tokens = f"tokens {held.start} to {held.start + held.quota - 1}" if held.quota else "no tokens left"
            say(f"tier {held.tier}: {tokens}, {held.covered} anchored, redeemable until {when(held.redeem_by)}")
        if self.issued is not None:
            pending = max(0, self.issued - self.covered)
            say(f"by the ledger {self.issued} vouchers given, {self.redeemed} redeemed, {pending} not anchored yet")
        for thing in self.unseen:
            say(f"not looked at: {thing}")


def standing(place: Place, grant_id: str) -> Standing:
    """Ask the chain, then the ledger."""
    chain, contract = place.chain, place.contract
    with told():
        leases = [
            Held(tier, lease["start"], lease["quota"], covered, lease["not_before"], lease["redeem_by"])
            for tier in range(len(chain.tiers(contract)))
            for lease in [chain.lease_of(contract, grant_id, tier)]
            for covered in [chain.covered(contract, grant_id, tier)]
            if lease["redeem_by"]
        ]
        key, status = chain.grant_key(contract, grant_id), chain.status(contract, grant_id)
    found, unseen = ask_ledger(place, f"/v1/drops/{place.drop}")
    mine = next((one for one in (found or {}).get("grants", ()) if one["grant_id"] == grant_id), None)
    if found and mine is None:
        unseen = "its vouchers (the ledger knows no such grant)"
    issued, redeemed = (mine["vouchers"], mine["redeemed"]) if mine else (None, None)
    return Standing(grant_id, key, status, tuple(leases), issued, redeemed, (unseen,) if unseen else ())
