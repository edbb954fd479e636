"""Who pays, in what, and who gains: ether, an ERC-20, ERC-3009, claim keys, withdrawals, royalty, on a real EVM."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from coincurve import PrivateKey
from eth_account import Account

from infra import keys
from infra.errors import FaultyFile
from infra.ops.drops import manifest_of, open_drop, plan_of_file
from infra.plan import facts, plan_lab
from infra.plan.contract import deployment_of
from infra.plan.model import DropPlan
from infra.resources.contract import ContractProvider, announcement_of
from node_image.hub import calls, redemption
from node_image.hub.chain import ChainRefused
from node_image.hub.redemption import Reason
from node_image.protocol import lease, manifest
from node_image.signer.client import SignerClient
from tests.drop_on_disk import Drop, make_drop, softhsm_missing
from tests.e2e.contract_world import (
    COIN,
    COINS,
    CREATORS,
    FREE,
    ODD,
    OPERATOR,
    OTHER,
    PAYEE,
    PRICE,
    RELAYER,
    World,
    account,
    address,
    anvil,
    leaf_of,
    opening,
    wallet,
    world,
)
from tests.e2e.small_drop import write_small_drop
from tests.typed import edgedrop

pytestmark = pytest.mark.e2e
BUYER = "0x" + "b7" * 32
FUNDS = 100 * PRICE


@pytest.fixture(scope="module")
def drop() -> Iterator[World]:
    with anvil() as url:
        made = world(url)
        made.chain.fund(account(BUYER))
        coin(made, "mint", ("address", "uint256"), account(BUYER), FUNDS)
        yield made


@pytest.fixture(scope="module")
def grant(drop: World) -> str:
    return drop.open("shop", [opening(FREE, 1, 400), opening(COINS, 1301, 50), opening(ODD, 1401, 50)])


def coin(drop: World, name: str, types: tuple[str, ...], *told: Any, key: str = OPERATOR) -> None:
    """The ERC-20 does something."""
    drop.chain.send(key, COIN, calls.call(name, types, told))


def coins(drop: World, who: str) -> int:
    """How many it has."""
    return int(drop.chain._call(COIN, "balanceOf(address)", ("uint256",), (who,))[0])


def allow(drop: World, amount: int) -> None:
    """The buyer lets the contract take so much."""
    coin(drop, "approve", ("address", "uint256"), drop.contract, amount, key=BUYER)


def authorized(drop: World, voucher: dict[str, Any], key: str = BUYER, **changed: Any) -> dict[str, Any]:
    """With an ERC-3009 authorisation that eth-account signed, for exactly this voucher."""
    told = {"from": account(key), "to": drop.contract, "value": PRICE, "validAfter": 0, "validBefore": 2**40}
    told |= {"nonce": leaf_of(voucher)} | changed
    kinds = [(name, "address" if name in ("from", "to") else "uint256") for name in told if name != "nonce"]
    types = {"ReceiveWithAuthorization": [{"name": name, "type": kind} for name, kind in kinds]}
    types["ReceiveWithAuthorization"].append({"name": "nonce", "type": "bytes32"})
    domain = {"name": "Coin", "version": "1", "chainId": 31337, "verifyingContract": COIN}
    signed = Account.sign_typed_data(key, domain, types, told)
    return voucher | {
        "authorization": {
            "payer": told["from"],
            "valid_after": told["validAfter"],
            "valid_before": told["validBefore"],
            "signature": "0x" + bytes(signed.signature).hex(),
        }
    }


def test_an_erc20_tier_is_paid_by_who_sends_and_by_nobody_else(drop: World, grant: str) -> None:
    sold = drop.vouchers(grant, [(COINS, seq, account(BUYER) if seq == 0 else wallet(seq), seq) for seq in range(3)])
    assert drop.redeem(sold[:1], BUYER) == [Reason.UNPAID]  # nothing allowed
    allow(drop, 2 * PRICE)
    assert drop.redeem(sold[:1], RELAYER) == [Reason.UNPAID]  # the receiver's allowance is not the relayer's
    before = coins(drop, account(BUYER))
    assert drop.redeem(sold, BUYER) == [Reason.NONE, Reason.NONE, Reason.UNPAID]
    assert before - coins(drop, account(BUYER)) == coins(drop, drop.contract) == 2 * PRICE
    assert drop.chain.takings(drop.contract, COINS) == 2 * PRICE


def planned(folder: Path, currency: str) -> DropPlan:
    """A drop file whose one tier is paid in an ERC-20, as planning has it."""
    file = write_small_drop(folder, "coins", 20)
    priced = f'price_units: {PRICE}\n    currency: {{address: "{currency}", symbol: COIN, decimals: 18}}'
    file.write_text(file.read_text().replace("price_gwei: 0", priced))
    return plan_of_file(*open_drop(str(file)), stack="coins", slot=16)


def deploying(url: str, plan: DropPlan) -> dict[str, Any]:
    """What the contract's resource is told."""
    told = {"deployment": deployment_of(plan.drop, plan.contract, plan.tiers), "announcement": announcement_of(plan)}
    encoded = {name: msgspec.json.encode(one).decode() for name, one in told.items()}
    return {"rpc": url, "bus": "127.0.0.1", "planned": plan.contract.address, "urn": "", **encoded}


def sold(node: Drop, envelope: bytes, key: str) -> dict[str, Any]:
    """A voucher for this buyer from the node's own signer."""

    async def ask() -> dict[str, Any]:
        client = SignerClient(node.socket)
        await client.ask("lease", envelope=envelope)
        await node.witness.vouch(client)
        asked = node.claim("coins-1", PrivateKey.from_hex(key[2:]))
        told = {name: getattr(asked, name) for name in ("claim_id", "tier", "to", "slot", "signature")}
        return dict((await client.ask("claim", **told))["voucher"])

    return asyncio.run(ask())


@pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())
def test_a_tier_that_a_drop_file_prices_in_an_erc20_is_planned_sold_checked_and_redeemed(
    drop: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    plan, url = planned(tmp_path, COIN), drop.chain._rpc.url
    contract, first = plan.contract.address, plan.nodes[0]
    deployed = deployment_of(plan.drop, plan.contract, plan.tiers)
    drop.chain.fund(keys.operator_address())
    assert drop.chain.deploy(keys.operator_key(), deployed.salt, deployed.init_code()) == contract
    node = make_drop(tmp_path / "node")
    told = facts(plan, first, plan_lab(16), node.facts.owner_public_key, node.witness.public)
    node = replace(node, facts=told)
    made, assets = manifest_of(*open_drop(str(tmp_path / "coins.yaml")))
    (node.folder / "drop" / "content.zip").write_bytes(manifest.content_zip(manifest.sign(made, node.owner), assets))
    (node.folder / "drop" / "drop.json").write_bytes(msgspec.json.encode(told))
    process = node.signer()
    try:
        key = str(node.ask("address")["key"])
        leases = [lease.Lease(**msgspec.to_builtins(one)) for one in first.leases]
        drop.chain.open_grant(
            keys.operator_key(), contract, first.grant_id, key, [msgspec.to_builtins(one) for one in leases]
        )
        document = lease.LeaseDocument(1, plan.drop, first.name, first.epoch, first.grant_id, key, tuple(leases))
        voucher = sold(node, lease.sign(document, node.owner), BUYER)
    finally:
        process.kill()
        process.wait()
    assert (voucher["price_wei"], voucher["currency"]) == (str(PRICE), COIN)

    own, file = World(drop.chain, contract), tmp_path / "voucher.json"
    file.write_text(json.dumps(voucher))
    steps = {step["name"]: step for step in edgedrop("verify", file, "--rpc", url, "--json").good().told["steps"]}
    assert steps["price"]["told"].endswith(f"{PRICE} of the smallest unit of the ERC-20 {COIN}")
    file.write_text(json.dumps(voucher | {"price_wei": "1"}))
    edgedrop("verify", file, "--rpc", url).bad(6, "the price on chain is not the one")
    assert own.redeem([voucher], BUYER) == [Reason.UNPAID]  # nothing allowed to this contract
    coin(drop, "approve", ("address", "uint256"), contract, PRICE, key=BUYER)
    assert own.redeem([voucher], BUYER) == [Reason.NONE]
    drop.chain.withdraw(RELAYER, contract, 0)
    assert coins(drop, plan.tiers[0].splits[0].address) == PRICE


def test_nothing_is_deployed_for_a_drop_that_is_paid_in_what_is_no_erc20_there(
    drop: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    plan = planned(tmp_path, account(OTHER.to_hex()))
    with pytest.raises(FaultyFile, match=r"tiers\[0\]\.currency: .* is no contract"):
        ContractProvider().create(deploying(drop.chain._rpc.url, plan))
    assert not drop.chain.has_code(plan.contract.address)
    assert drop.chain.balance(keys.operator_address()) == 0


def test_ether_does_not_pay_for_an_erc20_tier_and_comes_back(drop: World, grant: str) -> None:
    sold = drop.vouchers(grant, [(COINS, 3, wallet(3), 0)], batch_seq=1)
    allow(drop, 0)
    before = drop.chain.balance(drop.contract)
    assert drop.redeem([sold[0] | {"currency": None}], BUYER) == [Reason.UNPAID]
    assert drop.chain.balance(drop.contract) == before


def test_a_token_that_moves_another_sum_pays_for_nothing_and_the_rest_goes_on(drop: World, grant: str) -> None:
    sold = drop.vouchers(grant, [(COINS, 4, wallet(4), 0), (FREE, 4, wallet(4), 0)], batch_seq=2)
    allow(drop, PRICE)
    before = coins(drop, account(BUYER)), coins(drop, drop.contract)
    coin(drop, "setFee", ("uint256",), 1)
    try:
        assert drop.redeem(sold, BUYER) == [Reason.UNPAID, Reason.NONE]
    finally:
        coin(drop, "setFee", ("uint256",), 0)
    assert (coins(drop, account(BUYER)), coins(drop, drop.contract)) == before  # undone whole
    assert drop.redeem(sold[:1], BUYER) == [Reason.NONE]


def test_an_erc3009_authorisation_pays_for_its_own_voucher_alone(drop: World, grant: str) -> None:
    sold = drop.vouchers(grant, [(COINS, 10 + n, wallet(20 + n), 0) for n in range(5)], batch_seq=3)
    stranger = "0x" + "b8" * 32  # has no coins
    another = authorized(drop, sold[0])["authorization"]
    wrong = [
        sold[0] | {"authorization": authorized(drop, sold[1])["authorization"]},
        authorized(drop, sold[0], value=PRICE - 1),
        authorized(drop, sold[0], key=stranger),
        authorized(drop, sold[0], validBefore=1),
        sold[0] | {"authorization": another | {"payer": account(stranger)}},
        sold[0] | {"authorization": another | {"signature": "0x" + "00" * 64 + "1b"}},
    ]
    before = coins(drop, account(BUYER))
    for one in wrong:
        assert drop.redeem([one]) == [Reason.UNPAID]
    assert coins(drop, account(BUYER)) == before
    mixed = [authorized(drop, sold[0]), sold[1], authorized(drop, sold[2])]
    assert drop.redeem(mixed) == [Reason.NONE, Reason.UNPAID, Reason.NONE]  # the relayer has no coins of its own
    assert before - coins(drop, account(BUYER)) == 2 * PRICE
    assert coins(drop, account(RELAYER)) == 0


def test_nothing_redeems_or_is_withdrawn_from_within_a_token(drop: World, grant: str) -> None:
    paid, free = drop.vouchers(grant, [(COINS, 20, wallet(30), 0), (FREE, 20, wallet(30), 0)], batch_seq=4)
    more = drop.vouchers(grant, [(COINS, 21, wallet(31), 0)], batch_seq=5)
    for voucher, data in ((paid, redemption.call_data([free])), (more[0], calls.withdraw(FREE))):
        coin(drop, "setHook", ("address", "bytes"), drop.contract, data)
        allow(drop, PRICE)
        assert drop.redeem([voucher], BUYER) == [Reason.NONE]
        (done,) = drop.chain._call(COIN, "hookDone()", ("bool",))
        assert not done
    coin(drop, "setHook", ("address", "bytes"), "0x" + "00" * 20, b"")
    assert drop.redeem([free]) == [Reason.NONE]


def test_only_the_contract_itself_collects(drop: World) -> None:
    told = (COIN, account(BUYER), 1, bytes(32), (0, "0x" + "00" * 20, 0, 0, 0, bytes(32), bytes(32)))
    types = ("address", "address", "uint256", "bytes32", "(uint16,address,uint256,uint256,uint8,bytes32,bytes32)")
    with pytest.raises(ChainRefused):
        drop.chain.send(RELAYER, drop.contract, calls.call("collect", types, told))


def test_coins_are_shares_to_the_last_one(drop: World) -> None:
    total = drop.chain.takings(drop.contract, COINS)
    assert total == coins(drop, drop.contract) > 0
    drop.chain.withdraw(RELAYER, drop.contract, COINS)
    parts = [total * 3333 // 10_000] * 2
    assert [coins(drop, creator) for creator in CREATORS] == [*parts, total - sum(parts)]
    assert coins(drop, drop.contract) == 0


@pytest.mark.parametrize("how", [1, 2], ids=["refuses", "eats all gas"])
def test_a_creator_who_takes_nothing_keeps_the_claim_and_blocks_nobody(drop: World, grant: str, how: int) -> None:
    drop.chain.send(RELAYER, PAYEE, calls.call("set", ("uint256",), (how,)))
    assert drop.redeem(drop.vouchers(grant, [(ODD, how, wallet(40), how)], batch_seq=10 + how), BUYER) == [Reason.NONE]
    total, owed = drop.chain.takings(drop.contract, ODD), drop.chain.balance(PAYEE)
    drop.chain.withdraw(RELAYER, drop.contract, ODD)
    assert drop.chain.balance(CREATORS[1]) == total - total // 2
    assert drop.chain.balance(PAYEE) == owed
    drop.chain.send(RELAYER, PAYEE, calls.call("set", ("uint256",), (0,)))
    drop.chain.withdraw(RELAYER, drop.contract, ODD)
    assert (drop.chain.balance(PAYEE), drop.chain.balance(drop.contract)) == (total // 2, 0)


def test_a_claim_key_says_who_gains_and_is_used_once(drop: World, grant: str) -> None:
    keys = [PrivateKey(bytes([n]) * 32) for n in (0x51, 0x52, 0x53)]
    sold = drop.keyed(grant, [(FREE, 100 + n, key) for n, key in enumerate(keys)], batch_seq=20)
    again = drop.keyed(grant, [(FREE, 110, keys[0]), (FREE, 111, keys[1])], batch_seq=21)
    receiver, thief = wallet(50), wallet(51)
    told = drop.receive(sold[0], keys[0], receiver)
    stolen = told | {"receive": told["receive"] | {"receiver": thief}}
    elsewhere = sold[0] | {"receive": drop.receive(sold[1], keys[0], receiver)["receive"]}
    nobody = drop.receive(sold[0], keys[0], "0x" + "00" * 20)
    others = drop.receive(sold[0], OTHER, thief)
    assert drop.redeem([sold[0], stolen, elsewhere, nobody, others]) == [Reason.BAD_RECEIVER] * 5
    assert drop.redeem([told, drop.receive(sold[1], keys[1], receiver), sold[2]]) == [
        Reason.NONE,
        Reason.NONE,
        Reason.BAD_RECEIVER,
    ]
    assert str(drop.chain.owner_of(drop.contract, 101)).lower() == receiver
    assert drop.chain.claim_key_used(drop.contract, address(keys[0]))
    # Another token, another receiver: the key is the nullifier, not who gains by it.
    assert drop.redeem([drop.receive(again[0], keys[0], thief)]) == [Reason.NULLIFIER_USED]
    assert drop.redeem([drop.receive(told, keys[0], thief)]) == [Reason.NULLIFIER_USED]
    # The receiver's own wallet cap is untouched by what claim keys sent it.
    assert drop.redeem(drop.vouchers(grant, [(FREE, 120, receiver, 0)], batch_seq=22)) == [Reason.NONE]


def test_a_voucher_names_a_wallet_or_a_claim_key_never_both(drop: World, grant: str) -> None:
    key = PrivateKey(b"\x54" * 32)
    both = drop.both(grant, 130, wallet(60), key)
    assert drop.redeem([both, drop.receive(both, key, wallet(61))]) == [Reason.BAD_RECEIVER] * 2


def test_royalty_interfaces_and_moved_metadata(drop: World) -> None:
    told = drop.chain._call(drop.contract, "royaltyInfo(uint256,uint256)", ("address", "uint256"), (1, 10_000))
    assert (told[0].lower(), told[1]) == (CREATORS[0], 750)
    for interface in ("01ffc9a7", "80ac58cd", "5b5e139f", "2a55205a", "49064906"):
        (has,) = drop.chain._call(drop.contract, "supportsInterface(bytes4)", ("bool",), (bytes.fromhex(interface),))
        assert has, interface
    (has,) = drop.chain._call(drop.contract, "supportsInterface(bytes4)", ("bool",), (b"\xff\xff\xff\xff",))
    assert not has
    call = calls.call("setBaseUri", ("string",), ("ipfs://there/",))
    with pytest.raises(ChainRefused, match="NotOwner"):
        drop.chain.send(RELAYER, drop.contract, call)
    log = drop.chain.send(OPERATOR, drop.contract, call)["logs"][0]
    assert int.from_bytes(bytes(log["data"])[32:]) == 2**256 - 1  # ERC-4906: every token
