"""What nodes gave and what the chain took of it, held against what a grant was entitled to. Pure: it asks nobody.

An unfenced acceptance is a seq at or above a closed high mark, an unproven voucher of a frozen or revoked grant, a
voucher after its redeem-by, or a second voucher for one nullifier.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from node_image.hub.redemption import Reason

Given = dict[str, Any]  # a voucher, as JSON


@dataclass
class Grant:
    """What the chain was told of one: `quota` is its high mark once it is closed, `roots` the anchored ones."""

    start: int
    quota: int
    redeem_by: int
    suspected: bool = False  # frozen or revoked
    roots: set[str] = field(default_factory=set)

    def proves(self, voucher: Given) -> bool:
        """Whether the voucher brings a checkpoint of this grant."""
        return voucher.get("checkpoint", {}).get("root") in self.roots


@dataclass
class Book:
    """All of one place. `wrong` says what was not as it must be."""

    grants: dict[str, Grant] = field(default_factory=dict)
    redeemed: dict[tuple[str, int], str] = field(default_factory=dict)  # nullifier -> the claim that it went to
    refused: Counter[Reason] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _owed: dict[str, tuple[str, int]] = field(default_factory=dict)  # claim that was answered -> its nullifier
    _claims: dict[int, str] = field(default_factory=dict)  # token id -> the claim that it was given to
    _tokens: dict[tuple[str, str], int] = field(default_factory=dict)  # grant and claim -> the token that was given
    _roots: dict[tuple[str, int], str] = field(default_factory=dict)  # grant and batchSeq -> root
    _minted: set[int] = field(default_factory=set)

    def gave(self, voucher: Given) -> None:
        """A node gave it: never the same token or number of a batch again for anything else."""
        batch, claim, token = voucher["batch"], voucher["claim_id"], self.token(voucher)
        self._owed[claim] = nullifier(voucher)
        if self._claims.setdefault(token, claim) != claim:
            self.wrong.append(f"token {token} was given to {self._claims[token]} and to {claim}")
        if self._tokens.setdefault((batch["grantId"], claim), token) != token:
            self.wrong.append(f"{claim} was answered with another token than before")
        if self._roots.setdefault((batch["grantId"], batch["batchSeq"]), batch["root"]) != batch["root"]:
            self.wrong.append(f"batch {batch['batchSeq']} was signed with two roots")

    def took(self, voucher: Given, at: int) -> None:
        """The chain took it, in a block of that time."""
        grant, body, claim = self.grants[voucher["batch"]["grantId"]], voucher["voucher"], voucher["claim_id"]
        token, taker = self.token(voucher), nullifier(voucher)
        unfenced = {
            "a seq at or above the closed mark": body["seq"] >= grant.quota,
            "an unproven voucher of a suspected grant": grant.suspected and not grant.proves(voucher),
            "a voucher after its redeem-by": at > grant.redeem_by,
            "a second voucher for one nullifier": taker in self.redeemed,
            "a token for the second time": token in self._minted,
        }
        self.wrong += [f"the chain took {what}: {claim}, token {token}" for what, so in unfenced.items() if so]
        self.redeemed.setdefault(taker, claim)
        self._minted.add(token)

    def settle(self) -> None:
        """Whatever was answered has redeemed by now, by whichever voucher of that claim."""
        lost = [claim for claim, taker in self._owed.items() if self.redeemed.get(taker) != claim]
        self.wrong += [f"{claim} was answered, and no voucher of it redeems" for claim in lost]
        self._owed.clear()

    def unredeemed(self) -> set[str]:
        """Claims that were answered and redeemed by no voucher yet."""
        return {claim for claim, taker in self._owed.items() if taker not in self.redeemed}

    def is_minted(self, voucher: Given) -> bool:
        """Whether its token is there."""
        return self.token(voucher) in self._minted

    def token(self, voucher: Given) -> int:
        """By the lease on chain, whatever the node says."""
        return self.grants[voucher["batch"]["grantId"]].start + int(voucher["voucher"]["seq"])


def nullifier(voucher: Given) -> tuple[str, int]:
    """Who gains, and in which slot."""
    return voucher["voucher"]["to"], voucher["voucher"]["slot"]
