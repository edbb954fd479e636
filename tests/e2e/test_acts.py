"""The incident responder's and the holders' commands on a real EVM: by key files, by act files, from a real journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from coincurve import PrivateKey
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from infra import keys as control
from infra import stacks
from infra.ops.drops import plan_of
from infra.plan.contract import deployment_of
from infra.stacks import Stack
from node_image.hub.chain import Status
from node_image.hub.redemption import Reason
from node_image.protocol import eip712, merkle
from node_image.protocol.examine import examine
from node_image.protocol.supplement import recovered
from node_image.signer.client import SignerClient
from tests.drop_on_disk import make_drop, softhsm_missing
from tests.e2e.contract_world import (
    FREE,
    HOLDERS,
    HUB,
    NODE,
    OPERATOR,
    OTHER,
    PAID,
    RELAYER,
    TIERS,
    World,
    account,
    address,
    anvil,
    opening,
    wallet,
    world,
)
from tests.e2e.small_drop import write_small_drop
from tests.typed import Typed, edgedrop

pytestmark = pytest.mark.e2e

PAIRS = list(combinations(range(3), 2))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with anvil() as there:
        yield there


@pytest.fixture(scope="module")
def drop(url: str) -> World:
    return world(url)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that knows nothing of the drop."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


@pytest.fixture
def keys(tmp_path: Path) -> list[Path]:
    """The three holders' files, in the contract's order; then the relayer's, who pays, and the hub's."""
    files = [tmp_path / f"{name}.key" for name in ("h0", "h1", "h2", "pay", "hub")]
    for file, key in zip(files, (*HOLDERS, RELAYER, HUB), strict=True):
        file.write_text(key + "\n")
        file.chmod(0o600)
    return files


class Here:
    """A grant of its own for each test, in a free part of the free tier."""

    next_start = 1

    def __init__(self, url: str, drop: World) -> None:
        self.url, self.drop = url, drop
        self.where = ("--rpc", url, "--contract", drop.contract)

    def grant(self, quota: int = 10, redeem_by: int = 2**40 - 1, key: PrivateKey = NODE) -> str:
        """An open one."""
        start, Here.next_start = Here.next_start, Here.next_start + quota
        return self.drop.open(f"node-{start}", [opening(FREE, start, quota, 0, redeem_by)], key)

    def status(self, grant: str) -> Status:
        return self.drop.chain.status(self.drop.contract, grant)

    def type(self, command: str, grant: str, *words: object) -> Typed:
        """A command on the grant, on a machine that knows no drop."""
        return edgedrop(command, grant, *self.where, *words)


@pytest.fixture
def here(url: str, drop: World) -> Here:
    return Here(url, drop)


def signed_by(keys: list[Path], *numbers: int) -> list[object]:
    return [word for number in numbers for word in ("--key", keys[number])]


def highs(free: int) -> list[int]:
    """By tier, where only the free one gave tokens."""
    return [free, *(0 for _ in TIERS[1:])]


def anchored(here: Here, grant: str, vouchers: list[dict[str, Any]], high: int) -> dict[str, Any]:
    """The first voucher with its checkpoint, which the hub has anchored."""
    return here.drop.anchor(grant, highs(high), vouchers)[0]


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


# ---- act files


@pytest.fixture
def act(here: Here, tmp_path: Path) -> tuple[str, Path]:
    """A revocation that nobody has signed, and its grant."""
    grant, file = here.grant(), tmp_path / "act.json"
    here.type("revoke", grant, "--out", file).good()
    return grant, file


@pytest.mark.parametrize("order", [(0, 1), (2, 0)], ids=str)
def test_a_file_goes_round_and_each_sees_what_it_says(
    here: Here, keys: list[Path], act: tuple[str, Path], order: tuple[int, int]
) -> None:
    grant, file = act
    offline = edgedrop("act", "sign", file, "--key", keys[order[0]], "--yes").good()
    assert f"Revoke grant {grant} for good" in offline.err
    assert "not looked at: whether the signers are holders" in offline.err
    shown = edgedrop("act", "show", file, "--rpc", here.url).good()
    assert f"signed by {account(HOLDERS[order[0]])}; 1 more of" in shown.out
    edgedrop("act", "sign", file, "--key", keys[order[1]], "--rpc", here.url, "--yes").good()
    assert edgedrop("act", "show", file, "--rpc", here.url, "--json").good().told["state"] == "ready to submit"
    submit = ("act", "submit", file, "--rpc", here.url, "--pay", keys[3], "--yes", "--json")
    assert edgedrop(*submit).good().told["now"]["status"] == "revoked"
    assert edgedrop(*submit).good().told["already"]
    assert edgedrop("act", "show", file, "--rpc", here.url, "--json").good().told["state"] == "done"


def test_a_wallet_signs_the_typed_data_and_copies_are_put_together(
    here: Here, keys: list[Path], act: tuple[str, Path], tmp_path: Path
) -> None:
    grant, file = act
    copy = tmp_path / "copy.json"
    copy.write_bytes(file.read_bytes())
    shown = edgedrop("act", "show", file, "--typed-data").good().told
    by_wallet = Account.sign_typed_data(HOLDERS[2], full_message=shown).signature.to_0x_hex()
    edgedrop("act", "sign", file, "--signature", by_wallet, "--rpc", here.url, "--yes").good()
    edgedrop("act", "sign", copy, "--key", keys[0], "--rpc", here.url, "--yes").good()
    edgedrop("act", "submit", file, copy, "--rpc", here.url, "--pay", keys[3], "--yes").good()
    assert here.status(grant) is Status.REVOKED


def _edit(file: Path, **fields: Any) -> None:
    told = json.loads(file.read_text())
    for path, value in fields.items():
        (told["act"] if path in told["act"] else told)[path] = value
    file.write_text(json.dumps(told))


def test_what_a_signer_must_not_sign(here: Here, keys: list[Path], act: tuple[str, Path]) -> None:
    _, file = act
    sign = ("act", "sign", file, "--rpc", here.url, "--yes")
    edgedrop(*sign).bad(2, "--key or --signature")
    edgedrop(*sign, "--key", keys[3]).bad(6, "none of the holders")
    edgedrop(*sign, "--signature", "0x12").bad(6, "65 bytes")
    edgedrop(*sign, "--signature", "12").bad(2, "hex digits")
    edgedrop(*sign, "--key", keys[0]).good()
    edgedrop(*sign, "--key", keys[0]).bad(2, "signed it already", "two people")
    told = file.read_bytes()
    _edit(file, grant_id="0x" + "66" * 32)
    edgedrop(*sign, "--key", keys[1]).bad(6, "not good", "changed it")
    edgedrop("act", "show", file, "--rpc", here.url).bad(6, "not good", "changed it")
    file.write_bytes(told)
    _edit(file, chain_id=1)
    edgedrop(*sign, "--key", keys[1]).bad(2, "for chain 1")
    file.write_bytes(told)
    _edit(file, contract="0x" + "44" * 20)
    edgedrop(*sign, "--key", keys[1]).bad(6, "no contract stands at")
    file.write_bytes(told)
    _edit(file, deadline=1)
    edgedrop(*sign, "--key", keys[1]).bad(6, "was valid until 1970")
    file.write_text("{}")
    edgedrop(*sign, "--key", keys[1]).bad(2, "no act of the holders")
    edgedrop("act", "show", file.with_name("none")).bad(2, "give the act's file")


def test_an_act_that_is_over_or_whose_nonce_was_used_is_not_submitted(
    here: Here, keys: list[Path], tmp_path: Path
) -> None:
    grant, file = here.grant(), tmp_path / "act.json"
    submit = ("act", "submit", file, "--rpc", here.url, "--pay", keys[3], "--yes")
    here.type("freeze", grant, *signed_by(keys, 0), "--yes").good()
    here.type("unfreeze", grant, "--out", file, *signed_by(keys, 0, 1), "--yes").good()
    edgedrop(*submit).good()
    here.type("freeze", grant, *signed_by(keys, 0), "--yes").good()
    edgedrop(*submit).bad(6, "has used nonce", "fresh nonce")
    assert edgedrop("act", "show", file, "--rpc", here.url, "--json").good().told["state"] == "nonce used"
    file.unlink()
    here.type("unfreeze", grant, "--out", file, *signed_by(keys, 0, 1), "--hours", "0.1", "--yes").good()
    provider = Web3(HTTPProvider(here.url)).provider
    snapshot = provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
    provider.make_request(RPCEndpoint("evm_increaseTime"), [7200])
    provider.make_request(RPCEndpoint("evm_mine"), [])
    edgedrop(*submit).bad(6, "was valid until", "made anew")
    assert edgedrop("act", "show", file, "--rpc", here.url, "--json").good().told["state"] == "expired"
    provider.make_request(RPCEndpoint("evm_revert"), [snapshot])


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


# ---- where


def test_what_cannot_be_reached_is_told(here: Here, keys: list[Path]) -> None:
    by = (*signed_by(keys, 0), "--yes")
    grant = "0x" + "55" * 32
    edgedrop("freeze", "quay-appliance1", *by).bad(2, "knows no drop", "--rpc")
    edgedrop("freeze", "quay-appliance1", *here.where, *by).bad(2, "nobody here knows the grant", "--drop")
    edgedrop("freeze", "quay-appliance1", *here.where, "--drop", "nowhere", *by).bad(2, "was never opened")
    away = ("--rpc", "http://127.0.0.1:1", "--contract", here.drop.contract)
    edgedrop("freeze", grant, *away, *by).bad(5, "does not answer", "--rpc")
    edgedrop("freeze", grant, "--rpc", here.url, "--contract", "0x" + "44" * 20, *by).bad(6, "no contract stands at")
    edgedrop("freeze", grant, "--rpc", here.url, "--contract", "0x44", *by).bad(2, "is no address")


def test_a_node_is_found_by_the_drops_name_alone(here: Here, keys: list[Path]) -> None:
    grant = here.drop.open("elsewhere", [opening(PAID, 1001, 1)])
    edgedrop("freeze", "elsewhere", "--drop", "drop", *here.where, *signed_by(keys, 0), "--yes").good()
    assert here.status(grant) is Status.FROZEN


def test_nobody_to_pay_is_told(here: Here, tmp_path: Path, keys: list[Path]) -> None:
    poor = tmp_path / "poor.key"
    poor.write_text("0x" + "77" * 32)
    poor.chmod(0o600)
    typed = here.type("freeze", here.grant(), *signed_by(keys, 0), "--pay", poor, "--yes")
    typed.bad(1, "nothing was changed")


def test_the_control_side_needs_no_more_than_the_nodes_name(url: str, drop: World, tmp_path: Path) -> None:
    file = write_small_drop(tmp_path, "lights", 20)
    stack = Stack("lights", "drop", 16, lab="lab", drop="lights", drop_file=str(file), drop_stack="lights")
    stacks.save(stack)
    stacks.save(Stack("lab", "lab", 17))
    plan = plan_of(stack)
    deployed = deployment_of(plan.drop, plan.contract, plan.tiers)
    for account_ in (control.operator_address(), *control.holder_addresses()):
        drop.chain.fund(account_)
    drop.chain.deploy(control.operator_key(), deployed.salt, deployed.init_code())
    node = plan.nodes[0]
    leases = [msgspec.to_builtins(lease) for lease in node.leases]
    drop.chain.open_grant(control.operator_key(), plan.contract.address, node.grant_id, address(NODE), leases)
    at = ("--rpc", url, "--yes", "--json")
    frozen = edgedrop("freeze", node.name, *at).good()
    assert (frozen.told["grant_id"], frozen.told["now"]["status"]) == (node.grant_id, "frozen")
    assert "ledger" in frozen.told["unseen"][0]  # nobody is there, or another run's lab that knows no such grant
    assert edgedrop("revoke", node.name, "--drop", "lights", *at).good().told["now"]["status"] == "revoked"
    edgedrop("reclaim", node.name, "--tier", "only", *at).bad(2, "its vouchers redeem until 2031")
    edgedrop("reclaim", node.name, "--tier", "cup", *at).bad(2, "its tiers are only")
    edgedrop("freeze", "quay-appliance9", *at).bad(2, "has no node", "pier-appliance1")
    file.unlink()
    edgedrop("freeze", node.name, *at).bad(2, "the drop file of lights is gone")
    by_hand = ("--drop", "lights", "--contract", plan.contract.address)
    assert edgedrop("freeze", node.name, *at, *by_hand).good().told["already"]
