"""What becomes of a grant's tokens: supplement from a real journal, close-out, fallback, reclaim, mint-lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from node_image.hub.redemption import Reason
from node_image.protocol import eip712, merkle
from node_image.protocol.examine import examine
from node_image.protocol.supplement import recovered
from node_image.signer.client import SignerClient
from tests.drop_on_disk import make_drop, softhsm_missing
from tests.e2e.acts.here import Here, anchored, highs, signed_by
from tests.e2e.contract_world import (
    FREE,
    NODE,
    OPERATOR,
    OTHER,
    PAID,
    RELAYER,
    World,
    address,
    anvil,
    opening,
    wallet,
    world,
)
from tests.typed import edgedrop

pytestmark = pytest.mark.e2e


# ---- a supplement from a real signer's journal


@pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())
def test_a_supplement_from_the_recovered_journal_redeems_what_was_not_anchored(
    url: str, keys: list[Path], tmp_path: Path
) -> None:
    with anvil() as own:  # its grant's tokens stand where other tests' do
        drop = world(own)
        here = Here(own, drop)
        node = make_drop(tmp_path / "node", contract=drop.contract)
        process = node.signer()
        try:
            key = str(node.ask("address")["key"])
            grant = node.facts.grant_id
            drop.chain.open_grant(OPERATOR, drop.contract, grant, key, [opening(FREE, 100, 50)])
            vouchers = asyncio.run(_sell(SignerClient(node.socket), node.lease(key, quota=50), node))
        finally:
            process.terminate()
            process.wait()
        journal = next((node.folder / "journal").glob("*.journal"))
        first = anchored(here, grant, vouchers[:1], 1)
        here.type("freeze", grant, *signed_by(keys, 0), "--yes").good()
        outcome = drop.chain.redeem_many(RELAYER, drop.contract, [first, *vouchers[1:]])
        assert (len(outcome.redeemed), {skip.reason for skip in outcome.skipped}) == (1, {Reason.UNPROVEN})

        _refused_journals(here, grant, journal, keys)
        words = ("--journal", journal, *signed_by(keys, 1, 2), "--pay", keys[3], "--yes", "--json")
        done = here.type("supplement", grant, *words).good()
        assert done.told["now"]["covered"] == highs(5)
        assert "1 of 5 batches are anchored already" in done.err
        assert here.type("supplement", grant, *words).good().told["already"]

        (root,) = done.told["now"]["roots"]
        redeemed = drop.chain.redeem_many(RELAYER, drop.contract, _proven(vouchers, journal, drop, root))
        assert (len(redeemed.redeemed), redeemed.skipped) == (4, ())
    assert url


def _refused_journals(here: Here, grant: str, journal: Path, keys: list[Path]) -> None:
    """What must not become a supplement."""
    damaged = journal.with_name("damaged")
    data = bytearray(journal.read_bytes())
    data[-40] ^= 1
    damaged.write_bytes(bytes(data))
    words = (*signed_by(keys, 1, 2), "--yes")
    here.type("supplement", grant, "--journal", damaged, *words).bad(6, "is damaged", "two histories")
    here.type("supplement", grant, "--journal", journal, "--witness", f"3:{'0' * 64}", *words).bad(6, "another history")
    here.type("supplement", grant, "--journal", journal, "--witness", f"999:{'0' * 64}", *words).bad(6, "older copy")
    here.type("supplement", here.grant(), "--journal", journal, *words).bad(2, "is of grant")
    here.type("supplement", grant, *words).bad(5, "no answer from the ledger", "--journal")
    here.type("supplement", grant, "--witness", "1:2", *words).bad(2, "--witness without --journal")


async def _sell(client: SignerClient, envelope: bytes, node: Any) -> list[dict[str, Any]]:
    """Five claims, one after the other: five batches."""
    await client.ask("lease", envelope=envelope)
    await node.witness.vouch(client)
    sold = []
    for number in range(5):
        asked = node.claim(f"claim-{number}")
        told = {name: getattr(asked, name) for name in ("claim_id", "tier", "to", "slot", "signature")}
        sold.append((await client.ask("claim", **told))["voucher"])
    return sold


def _proven(vouchers: list[dict[str, Any]], journal: Path, drop: World, root: str) -> list[dict[str, Any]]:
    """The four that were not anchored, each with its place under the supplement's root."""
    separator = eip712.Domain(31337, bytes.fromhex(drop.contract[2:])).separator
    batches = recovered(examine(journal.read_bytes()).frames, separator).batches[1:]
    levels = merkle.tree([given.digest for given in batches])
    assert "0x" + levels[-1][0].hex() == root
    return [
        {**voucher, "checkpoint": {"root": root, "proof": ["0x" + one.hex() for one in merkle.proof(levels, at)]}}
        for at, voucher in enumerate(vouchers[1:])
    ]


# ---- ends and beginnings


def test_a_close_out_cuts_the_lease_and_frees_the_rest(here: Here, keys: list[Path]) -> None:
    grant = here.grant(20)
    anchored(here, grant, here.drop.vouchers(grant, [(FREE, 0, wallet(9200), 0)]), 4)
    common = ("--hub-key", keys[4], "--yes", "--json", "--no-ledger")
    good = ("--signature", "0x" + here.drop.close_signatures(grant, highs(5))[0].hex())
    here.type("closeout", grant, *common, "--high-seqs", "3,0,0,0", *good).bad(6, "4 are anchored")
    here.type("closeout", grant, *common, "--high-seqs", "21,0,0,0", *good).bad(6, "20 are leased")
    here.type("closeout", grant, *common, "--high-seqs", "5", *good).bad(2, "1 high seqs for 4 tiers")
    here.type("closeout", grant, *common, "--high-seqs", "6,0,0,0", *good).bad(6, "is signed by")
    here.type("closeout", grant, *common, "--high-seqs", "5,0,0,0").bad(2, "belong together")
    here.type("closeout", grant, *common).bad(2, "does not know", "--high-seqs")
    here.type("closeout", grant, *common[:-1], "--high-seqs", "5,0,0,0", *good).bad(5, "once the ledger holds")
    wrong_hub = ("--hub-key", keys[3], "--pay", keys[3], "--yes", "--no-ledger")
    here.type("closeout", grant, *wrong_hub, "--high-seqs", "5,0,0,0", *good).bad(1, "BadSignature")
    done = here.type("closeout", grant, *common, "--high-seqs", "5,0,0,0", *good).good()
    assert (done.told["now"]["status"], done.told["now"]["leases"][0]["quota"]) == ("closed", 5)
    assert "15 tokens are free again" in done.err
    assert here.type("closeout", grant, *common).good().told["already"]
    start = done.told["now"]["leases"][0]["start"]
    assert [here.drop.chain.is_leased(here.drop.contract, FREE, start + seq) for seq in (4, 5, 19)] == [
        True,
        False,
        False,
    ]
    here.type("freeze", grant, *signed_by(keys, 0), "--yes").good()
    here.type("closeout", grant, *common).bad(2, "only an open one")


def test_the_fallback_reserve_opens_by_two_and_never_past_its_end(here: Here, keys: list[Path]) -> None:
    words = ("fallback", "open", "--geo", "quay", "--node", "quay-spare1", "--drop", "lights", *here.where)
    until = ("--redeem-by", 2**40 - 1)
    by_two = (*signed_by(keys, 0, 1), "--pay", keys[3], "--yes", "--json")
    signer = ("--signer", address(OTHER))
    edgedrop(*words, *by_two, *until).bad(2, "how to reach quay-spare1", "--signer")
    edgedrop(*words, *by_two, *signer).bad(2, "until when")
    edgedrop(*words, *by_two, *signer, *until, "--quota", 51, "--tier", FREE).bad(2, "50 tokens left in reserve")
    edgedrop(*words, *by_two, *signer, *until, "--tier", "cup").bad(2, "no tier cup")
    one = edgedrop(*words, *by_two, *signer, *until, "--quota", 10, "--tier", FREE, "--tier", PAID).good().told
    assert [(lease["tier"], lease["start"], lease["quota"]) for lease in one["now"]["leases"]] == [
        (FREE, 951, 10),
        (PAID, 1286, 10),
    ]
    again = edgedrop(*words, *by_two, *signer, "--epoch", 1).good()
    assert again.told["already"]
    assert "not told to a hub" in again.err
    edgedrop(*words, *by_two, "--signer", address(NODE), "--epoch", 1).bad(2, "is open for")
    rest = edgedrop(*words, *by_two, *signer, *until, "--tier", FREE).good().told
    assert [(lease["start"], lease["quota"]) for lease in rest["now"]["leases"]] == [(961, 40)]
    edgedrop(*words, *by_two, *signer, *until, "--tier", FREE).bad(2, "nothing is left")
    batch = here.drop.vouchers(rest["grant_id"], [(FREE, 39, wallet(9300), 0)], OTHER)
    assert here.drop.chain.redeem_many(RELAYER, here.drop.contract, batch).redeemed[0].token_id == 1000


def test_what_is_left_of_a_revoked_lease_comes_back_after_redeem_by(here: Here, keys: list[Path]) -> None:
    grant = here.grant(10, redeem_by=1000)
    by_two = (*signed_by(keys, 1, 2), "--pay", keys[3], "--yes", "--json")
    here.type("reclaim", grant, "--tier", FREE, *by_two).bad(2, "the grant is open", "revoke")
    anchored(here, grant, here.drop.vouchers(grant, [(FREE, 0, wallet(9400), 0)]), 4)
    here.type("revoke", grant, *by_two).good()
    here.type("reclaim", grant, "--tier", PAID, *by_two).bad(2, "no lease in tier 1")
    here.type("reclaim", grant, "--tier", FREE, "--from", 3, *by_two).bad(2, "seqs below 4 are anchored")
    here.type("mint-lost", grant, "--tier", FREE, "--token", f"0={wallet(9401)}", *by_two).good()
    assert here.type("reclaim", grant, "--tier", FREE, *by_two).good().told["now"]["quota"] == 4
    assert here.type("reclaim", grant, "--tier", FREE, *by_two).good().told["already"]
    young = here.grant()
    here.type("revoke", young, *by_two).good()
    here.type("reclaim", young, "--tier", FREE, *by_two).bad(2, "its vouchers redeem until")


def test_lost_tokens_are_minted_by_id_after_redeem_by(here: Here, keys: list[Path]) -> None:
    grant = here.grant(10, redeem_by=1000)
    by_two = (*signed_by(keys, 0, 2), "--pay", keys[3], "--yes", "--json")
    lost = ("mint-lost", grant, "--tier", FREE)
    pairs = ("--token", f"2={wallet(9500)}", "--token", f"7={wallet(9501)}")
    here.type(*lost, "--token", "2:0x12", *by_two).bad(2, "as in 17=")
    here.type(*lost, "--token", f"2={wallet(1)}", "--token", f"2={wallet(2)}", *by_two).bad(2, "seq 2 twice")
    here.type(*lost, "--token", f"10={wallet(9500)}", *by_two).bad(2, "has 10 tokens")
    tokens = here.type(*lost, *pairs, *by_two).good().told["now"]["tokens"]
    assert [holder.lower() for holder in tokens.values()] == [wallet(9500), wallet(9501)]
    assert here.type(*lost, *pairs, *by_two).good().told["already"]
    here.type(*lost, "--token", f"2={wallet(9502)}", *by_two).bad(2, "minted already")
    young = here.grant()
    here.type("mint-lost", young, "--tier", FREE, "--token", f"0={wallet(1)}", *by_two).bad(2, "redeem until")
