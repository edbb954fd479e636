"""Freeze, revoke, unfreeze: who may, and what is said before and after."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from node_image.hub.chain import Status
from node_image.hub.redemption import Reason
from tests.e2e.acts.here import Here, anchored, signed_by
from tests.e2e.contract_world import (
    FREE,
    RELAYER,
    wallet,
)
from tests.typed import edgedrop

pytestmark = pytest.mark.e2e

PAIRS = list(combinations(range(3), 2))


@pytest.mark.parametrize("number", range(3))
def test_any_one_holder_freezes_at_once(here: Here, keys: list[Path], tmp_path: Path, number: int) -> None:
    grant = here.grant()
    proven, pending = (
        here.drop.vouchers(grant, [(FREE, seq, wallet(9000 + 10 * number + seq), 0)], batch_seq=seq) for seq in (0, 1)
    )
    honest = anchored(here, grant, proven, 1)
    file = tmp_path / "voucher.json"
    file.write_text(json.dumps(_whole(pending[0], here)))
    done = here.type("freeze", grant, "--key", keys[number], "--voucher", file, "--yes", "--json").good()
    assert (done.told["before"]["status"], done.told["now"]["status"]) == ("open", "frozen")
    assert (done.told["voucher"], done.told["already"]) == ("unproven", False)
    assert done.told["block"] == Web3(HTTPProvider(here.url)).eth.get_transaction(done.told["tx"])["blockNumber"]
    assert "1 anchored" in done.err
    assert "not looked at: the ledger" in done.err
    assert here.type("freeze", grant, "--json").good().told["already"], "said again, with no key at hand"
    outcome = here.drop.chain.redeem_many(RELAYER, here.drop.contract, [honest, *pending])
    assert [event.token_id for event in outcome.redeemed] == [int(_whole(honest, here)["token_id"])]
    assert [skip.reason for skip in outcome.skipped] == [Reason.UNPROVEN]


def _whole(voucher: dict[str, Any], here: Here) -> dict[str, Any]:
    """As the claim page saves it."""
    grant = voucher["batch"]["grantId"]
    start = here.drop.chain.lease_of(here.drop.contract, grant, FREE)["start"]
    told = {"schema": 1, "claim_id": "c", "drop": "drop", "node": "n", "chain_id": 31337}
    body = {"voucher": {"grantId": grant, **voucher["voucher"]}}
    return {
        **voucher,
        **told,
        **body,
        "contract": here.drop.contract,
        "token_id": str(start + voucher["voucher"]["seq"]),
    }


def test_a_holder_without_ether_freezes_by_anothers_transaction(here: Here, keys: list[Path]) -> None:
    grant = here.grant()
    here.type("freeze", grant, *signed_by(keys, 1), "--pay", keys[3], "--yes").good()
    assert here.status(grant) is Status.FROZEN


def test_a_voucher_that_still_redeems_is_said_aloud(here: Here, keys: list[Path], tmp_path: Path) -> None:
    grant, other = here.grant(), here.grant()
    voucher = here.drop.vouchers(other, [(FREE, 0, wallet(9100), 0)])[0]
    file = tmp_path / "voucher.json"
    file.write_text(json.dumps(_whole(voucher, here)))
    typed = here.type("freeze", grant, *signed_by(keys, 0), "--voucher", file, "--yes")
    typed.bad(1, "would still redeem", "this very grant")


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_any_two_of_three_revoke(here: Here, keys: list[Path], pair: tuple[int, int]) -> None:
    grant = here.grant()
    words = (*signed_by(keys, *reversed(pair)), "--pay", keys[3], "--yes", "--json")
    done = here.type("revoke", grant, *words).good()
    assert (done.told["now"]["status"], done.told["already"]) == ("revoked", False)
    assert "for good" in done.err
    assert here.type("revoke", grant, *words).good().told["already"]
    here.type("freeze", grant, *signed_by(keys, 0), "--yes").good()
    here.type("unfreeze", grant, *words).bad(2, "revoked, and that is for good")


def test_one_of_three_does_not(here: Here, keys: list[Path], tmp_path: Path) -> None:
    grant = here.grant()
    here.type("revoke", grant, *signed_by(keys, 0), "--yes").bad(2, "2 of the holders must sign", "--out act.json")
    here.type("revoke", grant, *signed_by(keys, 0, 0), "--yes").bad(2, "given twice")
    here.type("revoke", grant, *signed_by(keys, 0, 3), "--yes").bad(2, "none of the holders")
    here.type("revoke", grant, *signed_by(keys, 0, 1)).bad(2, "nobody is there to ask")
    act = tmp_path / "act.json"
    here.type("revoke", grant, *signed_by(keys, 0), "--out", act, "--yes").good()
    edgedrop("act", "submit", act, "--rpc", here.url, "--pay", keys[3], "--yes").bad(6, "1 more of the holders")
    assert here.status(grant) is Status.OPEN


def test_unfrozen_it_is_what_it_was(here: Here, keys: list[Path]) -> None:
    grant = here.grant()
    assert here.type("unfreeze", grant, "--json").good().told["already"]
    here.type("freeze", grant, *signed_by(keys, 2), "--yes").good()
    here.type("unfreeze", grant, *signed_by(keys, 0, 2), "--yes").good()
    assert here.status(grant) is Status.OPEN
    here.type("freeze", "0x" + "55" * 32, *signed_by(keys, 2), "--yes").bad(2, "was never opened")
