"""Bugs of signer, contract and planning that fencing must show. As a program: a signer with one of the first kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node_image.protocol import closeout
from node_image.protocol.acts import close_out_hash
from node_image.protocol.eip712 import digest
from node_image.signer import core
from tests.chaos import planted
from tests.chaos.planted_outside import restored_clone_with_a_witness


@dataclass(frozen=True, slots=True)
class Bug:
    """Where it sits, and the fate of a node (tests/chaos/fencing_fates.py) that shows it."""

    fate: str = ""
    signer: str = ""
    contract: str = ""  # of tests/chaos/contract_planted.py
    overlaps: bool = False  # each appliance's lease is of the spare's tokens
    artifact: bytes | None = None


NO_BUG = Bug()


def close_not_journalled() -> None:
    """The close-out is signed, and the signer goes on selling."""

    async def at_once(self: core.Signer, _: closeout.Command) -> tuple[tuple[int, ...], bytes]:
        high_seqs = self.state.high_seqs(len(self.facts.tiers))
        return high_seqs, self._key.sign(digest(self._separator, close_out_hash(self.state.grant_id, high_seqs)))

    planted.plant(core.Signer, "close", at_once)


IN_A_SIGNER: dict[str, Callable[[], Any]] = {
    bug.__name__: bug
    for bug in (close_not_journalled, restored_clone_with_a_witness, planted.claims_forgotten, planted.same_seq_twice)
}
BUGS: dict[str, Bug] = {
    "close_not_journalled": Bug("its grant closed out", signer="close_not_journalled"),
    "restored_clone_with_a_witness": Bug("an older disk beside it", signer="restored_clone_with_a_witness"),
    "claims_forgotten": Bug("nothing else", signer="claims_forgotten"),
    "same_seq_twice": Bug("nothing else", signer="same_seq_twice"),
    "overlapping_lease": Bug("nothing else", contract="overlapping_lease", overlaps=True),
    "nullifier_not_bound": Bug("nothing else", contract="nullifier_not_bound"),
    "redeem_by_ignored": Bug("its lease run out", contract="redeem_by_ignored"),
    "revoke_forgotten": Bug("its grant revoked", contract="revoke_forgotten"),
}

if __name__ == "__main__":
    IN_A_SIGNER[sys.argv.pop(1)]()
    import node_image.signer.__main__  # noqa: F401  serves until it is killed
