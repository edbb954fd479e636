"""The contract on a real EVM, through the client that the control side and the relayer use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from coincurve import PrivateKey
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from infra.provision import onchain
from node_image.hub.chain import Chain, ChainAway, ChainRefused
from node_image.hub.redemption import Reason, selector
from node_image.protocol import create2
from tests.e2e.contract_world import (
    CREATORS,
    FREE,
    NODE,
    OTHER,
    PAID,
    PRICE,
    RELAYER,
    TIERS,
    World,
    account,
    address,
    anvil,
    init_code,
    opening,
    own_roles,
    wallet,
    world,
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def chain_url() -> Iterator[str]:
    with anvil() as url:
        yield url


@pytest.fixture(scope="module")
def drop(chain_url: str) -> World:
    return world(chain_url)


@pytest.fixture(scope="module")
def grant(drop: World) -> str:
    """Most tests' grant: 400 free tokens from 1 on, 100 paid ones from 1001 on."""
    return drop.open("quay-appliance1", [opening(FREE, 1, 400), opening(PAID, 1001, 100)])


def test_the_contract_stands_where_planning_said_and_deploys_once(drop: World) -> None:
    salt = create2.salt("drop", "0x" + "33" * 32)
    code = init_code(own_roles())
    assert drop.contract == create2.create2_address(salt, code)
    assert drop.chain.deploy(RELAYER, salt, code) == drop.contract


def test_a_grant_opens_once_and_the_same_again_is_done(drop: World, grant: str) -> None:
    assert drop.open("quay-appliance1", [opening(FREE, 1, 400), opening(PAID, 1001, 100)]) == grant
    assert drop.chain.grant_key(drop.contract, grant) == address(NODE)
    assert drop.chain.lease_of(drop.contract, grant, PAID)["start"] == 1001


@pytest.mark.parametrize(
    ("leases", "key"), [([opening(FREE, 1, 400)], OTHER), ([opening(FREE, 1, 399)], NODE)], ids=["key", "lease"]
)
def test_another_key_or_lease_under_the_same_grant_is_refused(
    drop: World, grant: str, leases: list[dict[str, int]], key: PrivateKey
) -> None:
    assert grant
    with pytest.raises(ChainRefused, match="grant"):
        drop.open("quay-appliance1", leases, key)


@pytest.mark.parametrize(
    ("lease", "error"),
    [
        (opening(FREE, 400, 1), "Overlap"),
        (opening(FREE, 390, 300), "Overlap"),
        (opening(FREE, 900, 102), "BadLease"),  # past the tier's end
        (opening(PAID, 1000, 2), "BadLease"),  # before its beginning
        (opening(FREE, 500, 0), "BadLease"),
        (opening(2, 500, 1), "BadLease"),
        (opening(FREE, 500, 1, 10, 10), "BadLease"),
    ],
)
def test_a_lease_outside_its_tier_or_over_another_reverts(
    drop: World, grant: str, lease: dict[str, int], error: str
) -> None:
    assert grant
    with pytest.raises(ChainRefused, match=error):
        drop.open("thief", [lease])


def test_refresh_sees_the_contract_and_its_grants_and_what_is_not_there(
    drop: World, grant: str, chain_url: str
) -> None:
    assert onchain.has_code(chain_url, drop.contract) is True
    assert onchain.has_code(chain_url, address(OTHER)) is False
    assert onchain.grant_is_open(chain_url, drop.contract, grant) is True
    assert onchain.grant_is_open(chain_url, drop.contract, "0x" + "77" * 32) is False


def test_only_the_operator_opens(drop: World) -> None:
    with pytest.raises(ChainRefused, match="NotOperator"):
        drop.chain.open_grant(RELAYER, drop.contract, "0x" + "77" * 32, address(NODE), [opening(FREE, 800, 1)])


def test_a_batch_redeems_and_again_skips_every_one(drop: World, grant: str) -> None:
    batch = drop.vouchers(grant, [(FREE, seq, wallet(seq), 0) for seq in range(64)])
    one = drop.chain.redeem_many(RELAYER, drop.contract, batch[:1])
    rest = drop.chain.redeem_many(RELAYER, drop.contract, batch[1:51])
    again = drop.chain.redeem_many(RELAYER, drop.contract, batch[:51])
    assert [event.token_id for event in rest.redeemed] == list(range(2, 52))
    assert {skip.reason for skip in again.skipped} == {Reason.NULLIFIER_USED}
    assert (len(again.skipped), again.redeemed) == (51, ())
    assert drop.chain.minted_token_ids(drop.contract) >= set(range(1, 52))
    assert drop.chain.nullifier_used(drop.contract, wallet(0), 0)
    print(f"gas: first of 64 {one.gas_used}, a token in a call of 50 {rest.gas_used // 50}")  # noqa: T201  the bench's figure
    assert one.gas_used < 95_000
    assert rest.gas_used / 50 < 60_000


def _changed(voucher: dict[str, Any], part: str, **fields: Any) -> dict[str, Any]:
    return {**voucher, part: {**voucher[part], **fields}}


def test_what_is_wrong_is_skipped_with_its_reason_and_the_rest_goes_on(drop: World, grant: str) -> None:
    asked = [(FREE, 200 + i, wallet(300 + i), 0) for i in range(8)]
    good = drop.vouchers(grant, asked, batch_seq=3)
    forged = drop.vouchers(grant, asked, OTHER, batch_seq=3)
    same_wallet = drop.vouchers(grant, [(FREE, 300, wallet(300), 0), (FREE, 301, wallet(300), 2)], batch_seq=4)
    same_token = drop.vouchers(grant, [(FREE, 200, wallet(400), 0)], batch_seq=5)
    to_nobody = drop.vouchers(grant, [(FREE, 302, "0x" + "00" * 20, 0)], batch_seq=6)
    high = bytes.fromhex(good[0]["signature"][2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    turned = high[:32] + (order - int.from_bytes(high[32:64])).to_bytes(32) + bytes([55 - high[64]])
    cases = [
        (good[0], Reason.NONE),
        (forged[1], Reason.BAD_BATCH),
        ({**good[1], "signature": "0x" + turned.hex()}, Reason.BAD_BATCH),
        ({**good[1], "signature": "0x"}, Reason.BAD_BATCH),
        (_changed(good[1], "batch", batchSeq=9), Reason.BAD_BATCH),
        ({**good[1], "proof": good[2]["proof"]}, Reason.NOT_IN_BATCH),
        (_changed(good[1], "voucher", to=wallet(999)), Reason.NOT_IN_BATCH),
        (_changed(good[1], "voucher", seq=400), Reason.NO_LEASE),
        (_changed(good[1], "voucher", tier=9), Reason.NO_LEASE),
        (_changed(good[1], "voucher", claimKey=wallet(1)), Reason.BAD_RECEIVER),
        (to_nobody[0], Reason.BAD_RECEIVER),
        (same_wallet[0], Reason.NULLIFIER_USED),
        (same_wallet[1], Reason.BAD_SLOT),
        (same_token[0], Reason.TOKEN_TAKEN),
        (good[7], Reason.NONE),
    ]
    outcome = drop.chain.redeem_many(RELAYER, drop.contract, [voucher for voucher, _ in cases])
    told = {skip.item: skip.reason for skip in outcome.skipped}
    assert [told.get(item, Reason.NONE) for item in range(len(cases))] == [reason for _, reason in cases]
    assert [event.token_id for event in outcome.redeemed] == [201, 208]


def test_outside_the_leases_time_nothing_redeems(drop: World) -> None:
    early = drop.open("early", [opening(FREE, 700, 10, 2**39)])
    late = drop.open("late", [opening(FREE, 720, 10, 0, 1000)])
    asked = [
        drop.vouchers(early, [(FREE, 0, wallet(500), 0)])[0],
        drop.vouchers(late, [(FREE, 0, wallet(501), 0)])[0],
    ]
    outcome = drop.chain.redeem_many(RELAYER, drop.contract, asked)
    assert [(skip.token_id, skip.reason) for skip in outcome.skipped] == [
        (700, Reason.TOO_EARLY),
        (720, Reason.TOO_LATE),
    ]


def test_payments_are_shares_to_the_wei_and_the_unspent_comes_back(drop: World, grant: str) -> None:
    buyer = "0x" + "b1" * 32
    drop.chain.fund(account(buyer))
    batch = drop.vouchers(grant, [(PAID, seq, wallet(600 + seq), 0) for seq in range(7)], batch_seq=7)
    unpaid = drop.chain.redeem_many(buyer, drop.contract, [{**batch[0], "price_wei": str(PRICE - 1)}])
    assert [skip.reason for skip in unpaid.skipped] == [Reason.UNPAID]
    drop.chain.redeem_many(buyer, drop.contract, batch)
    drop.chain.redeem_many(buyer, drop.contract, batch)  # skipped: every wei comes back
    assert drop.chain.balance(drop.contract) == 7 * PRICE
    withdraw = bytes.fromhex("2e1a7d4d")  # withdraw(uint256), which is not there
    with pytest.raises(ChainRefused):
        drop.chain.send(RELAYER, drop.contract, withdraw + bytes(32))
    _withdraw(drop)
    taken = [drop.chain.balance(creator) for creator in CREATORS]
    assert taken == [7 * PRICE * 3333 // 10_000] * 2 + [7 * PRICE - 2 * (7 * PRICE * 3333 // 10_000)]
    drop.chain.redeem_many(buyer, drop.contract, drop.vouchers(grant, [(PAID, 7, wallet(607), 0)], batch_seq=8))
    _withdraw(drop)
    _withdraw(drop)
    assert sum(drop.chain.balance(creator) for creator in CREATORS) == 8 * PRICE
    assert drop.chain.balance(CREATORS[0]) == 8 * PRICE * TIERS[PAID].splits[0].share_bps // 10_000
    assert drop.chain.balance(drop.contract) == 0


def test_a_transaction_that_is_stuck_is_replaced_with_higher_fees_and_mined_once(chain_url: str, drop: World) -> None:
    sender = "0x" + "b2" * 32
    drop.chain.fund(account(sender))
    eth = Web3(HTTPProvider(chain_url))
    eth.provider.make_request(RPCEndpoint("evm_setAutomine"), [False])
    with ThreadPoolExecutor(1) as pool:
        try:
            sent = pool.submit(Chain(chain_url, stuck_s=0.5).send, sender, wallet(1), b"", 1)
            time.sleep(1.2)
        finally:
            eth.provider.make_request(RPCEndpoint("evm_setAutomine"), [True])
            eth.provider.make_request(RPCEndpoint("evm_mine"), [])
        mined = eth.eth.get_transaction(sent.result(10)["transactionHash"])
    assert mined["maxPriorityFeePerGas"] > eth.eth.max_priority_fee * 9 // 8
    assert drop.chain.balance(wallet(1)) == 1


def _withdraw(drop: World) -> None:
    drop.chain.send(RELAYER, drop.contract, selector("withdraw(uint8)") + PAID.to_bytes(32))


def test_several_processes_may_send_from_one_key(drop: World) -> None:
    starts = range(501, 509)
    with ThreadPoolExecutor(8) as pool:
        grants = list(pool.map(lambda start: drop.open(f"node-{start}", [opening(FREE, start, 1)]), starts))
    assert len({drop.chain.lease_of(drop.contract, grant, FREE)["start"] for grant in grants}) == len(starts)


def test_a_chain_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(ChainAway, match="does not answer"):
        Chain("http://127.0.0.1:1").has_code(CREATORS[0])
