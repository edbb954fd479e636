"""Freeze, revoke, supplement and the rest of what the holders do, on a real EVM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from node_image.hub import calls
from node_image.hub.chain import ChainRefused, Status
from node_image.hub.redemption import Reason
from node_image.protocol.acts import AddRoots, Freeze, Holder, MintLost, OpenGrant, Reclaim, Revoke, Unfreeze
from node_image.protocol.collected import Collected, add
from node_image.protocol.collected import Signature as Given
from node_image.protocol.errors import NotVerified
from node_image.protocol.hexes import unhex
from node_image.protocol.lease import Lease
from tests.e2e.contract_world import (
    FREE,
    HOLDERS,
    HUB,
    NODE,
    OPERATOR,
    OTHER,
    PAID,
    RELAYER,
    WALLET,
    World,
    account,
    address,
    anvil,
    opening,
    own_roles,
    wallet,
    world,
)

pytestmark = pytest.mark.e2e
SOON = 3000


@pytest.fixture(scope="module")
def drop() -> Iterator[World]:
    with anvil() as url:
        yield world(url)


def cut_off(drop: World, grant: str, *, count: int = 2, batch_seq: int = 0, start: int = 0) -> list[dict[str, Any]]:
    """Vouchers of the grant's free tier to wallets that nobody else uses."""
    first = int(grant[2:10], 16)
    asked = [(FREE, seq, wallet(first + 1000 * batch_seq + seq), 0) for seq in range(start, start + count)]
    return drop.vouchers(grant, asked, batch_seq=batch_seq)


@pytest.mark.parametrize("how", ["own transaction", "signed act"])
def test_any_one_holder_freezes_and_then_only_what_is_anchored_redeems(drop: World, how: str) -> None:
    start = {"own transaction": 1, "signed act": 11}[how]
    grant = drop.open(how, [opening(FREE, start, 10)])
    anchored, late = cut_off(drop, grant), cut_off(drop, grant, batch_seq=1, start=2)
    proven = drop.anchor(grant, (2, 0, 0, 0), anchored)
    if how == "own transaction":
        drop.chain.freeze(HOLDERS[1], drop.contract, grant)
    else:
        drop.do(Freeze, grant, 2)
    assert drop.chain.status(drop.contract, grant) is Status.FROZEN
    assert drop.redeem([*anchored, *late]) == [Reason.UNPROVEN] * 4
    backdated = drop.vouchers(grant, [(FREE, 5, wallet(start + 7), 0)], batch_seq=7)  # issuedAt is 1, as all of them
    lying = [one | {"checkpoint": proven[0]["checkpoint"]} for one in (late[0], backdated[0])]
    assert drop.redeem([*proven, *lying]) == [Reason.NONE, Reason.NONE, Reason.UNPROVEN, Reason.UNPROVEN]
    root, supplement = drop.checkpoint(late)
    drop.do(AddRoots, grant, 0, 1, roots=("0x" + root.hex(),), high_seqs=(4, 0, 0, 0))
    assert drop.chain.issued_root(drop.contract, grant, bytes.fromhex(proven[0]["checkpoint"]["root"][2:]))
    assert drop.redeem(supplement) == [Reason.NONE] * 2
    assert drop.redeem(lying[1:]) == [Reason.UNPROVEN]
    drop.do(Unfreeze, grant, 1, 2)
    assert drop.redeem(backdated) == [Reason.NONE]


def test_who_is_no_holder_freezes_nothing(drop: World) -> None:
    grant = drop.open("nobody's", [opening(FREE, 21, 1)])
    for key in (OPERATOR, HUB, RELAYER):
        with pytest.raises(ChainRefused, match="NotHolder"):
            drop.chain.freeze(key, drop.contract, grant)
    assert drop.chain.status(drop.contract, grant) is Status.OPEN


def test_an_ecdsa_holders_account_with_code_freezes_nothing(drop: World) -> None:
    """As after an EIP-7702 delegation: the code at a holder's address may be called by anyone."""
    grant = drop.open("delegated", [opening(FREE, 22, 1)])
    holder = account(HOLDERS[0])
    code = drop.chain._rpc.ask(lambda eth: eth.get_code(WALLET))  # type: ignore[arg-type]
    call = calls.call("execute", ("address", "bytes"), (drop.contract, calls.freeze(grant)))
    try:
        drop.chain._rpc.request("anvil_setCode", [holder, "0x" + code.hex()])
        with pytest.raises(ChainRefused):
            drop.chain.send(RELAYER, holder, call)
        act = drop.act(Freeze, grant)
        drop.chain.send(
            RELAYER, holder, calls.call("approve", ("bytes32",), (act.digest(),))
        )  # and would answer as ERC-1271
        with pytest.raises(ChainRefused, match="BadSignature"):
            send(drop, act, [(0, b"\x00" * 65)])
    finally:
        drop.chain._rpc.request("anvil_setCode", [holder, "0x"])
    assert drop.chain.status(drop.contract, grant) is Status.OPEN


def send(drop: World, act: Collected, signatures: list[tuple[int, bytes]]) -> None:
    """Past our own checks of who signed."""
    name, types, told = calls._told(act.act)
    signed = (int(act.act.nonce), act.act.deadline, signatures)
    drop.chain.send(
        RELAYER,
        drop.contract,
        calls.call(name, ("bytes32", *types, calls.SIGNED), (unhex(act.act.grant_id), *told, signed)),
    )


def raw(act: Collected) -> list[bytes]:
    """The signatures it holds."""
    return [unhex(one.signature) for one in act.signatures]


def test_two_of_three_revoke_and_one_alone_does_not(drop: World) -> None:
    grant = drop.open("stolen", [opening(FREE, 31, 10)])
    act = drop.signed(drop.act(Revoke, grant), 0, 2)
    first, third = raw(act)
    for wrong, error in (
        ([(0, first)], "TooFewHolders"),
        ([(0, first), (0, first)], "BadHolders"),
        ([(2, third), (0, first)], "BadHolders"),
        ([(0, first), (3, third)], "BadHolders"),
        ([(0, first), (1, third)], "BadSignature"),
        ([(0, first), (2, b"")], "BadSignature"),
        ([(0, first), (2, bytes(64) + b"\x1b")], "BadSignature"),
    ):
        with pytest.raises(ChainRefused, match=error):
            send(drop, act, wrong)
    with pytest.raises(NotVerified, match="1 more"):
        drop.do(Revoke, grant, 0)
    drop.chain.submit(RELAYER, drop.contract, act)
    assert drop.chain.status(drop.contract, grant) is Status.REVOKED
    assert drop.redeem(cut_off(drop, grant)) == [Reason.UNPROVEN] * 2
    for kind in (Unfreeze, Revoke):
        with pytest.raises(ChainRefused, match="WrongStatus"):
            drop.do(kind, grant, 0, 1)
    drop.chain.freeze(HOLDERS[0], drop.contract, grant)  # as good as done
    with pytest.raises(ChainRefused, match="WrongStatus"):
        drop.do(Freeze, grant, 0)


def test_an_act_is_done_once_whoever_signed_it_and_only_in_its_time(drop: World) -> None:
    grant = drop.open("once", [opening(FREE, 41, 10)])
    freeze = drop.signed(drop.act(Freeze, grant), 0)
    drop.chain.submit(RELAYER, drop.contract, freeze)
    unfreeze = drop.act(Unfreeze, grant)
    drop.chain.submit(RELAYER, drop.contract, drop.signed(unfreeze, 0, 1))
    with pytest.raises(ChainRefused, match="NonceUsed"):
        drop.chain.submit(RELAYER, drop.contract, freeze)
    drop.do(Freeze, grant, 0)
    for pair in ((0, 2), (1, 2)):  # the act again, signed by another pair: one of them has used the nonce
        with pytest.raises(ChainRefused, match="NonceUsed"):
            drop.chain.submit(RELAYER, drop.contract, drop.signed(unfreeze, *pair))
    assert drop.chain.nonce_used(drop.contract, account(HOLDERS[0]), int(unfreeze.act.nonce))
    assert not drop.chain.nonce_used(drop.contract, account(HOLDERS[2]), int(unfreeze.act.nonce))
    with pytest.raises(ChainRefused, match="Expired"):
        drop.do(Unfreeze, grant, 0, 1, deadline=drop.chain.block()[1] - 1)
    # In any order: a lower nonce after a higher one.
    drop.do(Unfreeze, grant, 1, 2)
    late = msgspec.structs.replace(drop.act(Freeze, grant), act=Freeze(grant, str(2**255), 2**40 - 1))
    drop.chain.submit(RELAYER, drop.contract, drop.signed(late, 1))
    drop.do(Unfreeze, grant, 1, 2)


def test_an_act_for_another_grant_contract_or_kind_is_none_for_this_one(drop: World) -> None:
    grant, other = drop.open("mine", [opening(FREE, 51, 1)]), drop.open("yours", [opening(FREE, 52, 1)])
    act = drop.signed(drop.act(Freeze, grant), 0)
    (signature,) = raw(act)
    elsewhere = msgspec.structs.replace(act, act=msgspec.structs.replace(act.act, grant_id=other))
    with pytest.raises(ChainRefused, match="BadSignature"):
        send(drop, elsewhere, [(0, signature)])
    abroad = msgspec.structs.replace(act, contract=wallet(1), signatures=())
    with pytest.raises(ChainRefused, match="BadSignature"):
        send(drop, act, [(0, raw(drop.signed(abroad, 0))[0])])
    with pytest.raises(NotVerified):
        add(act, Given(account(HOLDERS[1]), "0x" + signature.hex()), drop.chain.holders(drop.contract))


def test_the_fallback_opens_by_two_of_three_beyond_the_operators_ceilings(drop: World) -> None:
    for lease in (opening(FREE, 100, 401), opening(PAID, 1001, 201)):
        with pytest.raises(ChainRefused, match="Ceiling"):
            drop.open("too long", [lease])
    for start in (300, 500, 700):
        drop.open(f"top-up {start}", [opening(FREE, start, 200)])
    before = drop.chain.operator_leased(drop.contract, FREE)
    for over, error in ((1, "Ceiling"), (0, "Overlap")):
        with pytest.raises(ChainRefused, match=error):
            drop.open("one more", [opening(FREE, 300, 950 - before + over)])
    reserve = Lease(FREE, 951, 50, 0, 2**40 - 1)
    named = "0x" + "fa" * 32
    drop.do(OpenGrant, named, 0, 1, key=address(OTHER), leases=(reserve,))
    assert drop.chain.grant_key(drop.contract, named) == address(OTHER)
    assert drop.chain.operator_leased(drop.contract, FREE) == before
    assert drop.redeem(drop.vouchers(named, [(FREE, 49, wallet(95), 0)], OTHER)) == [Reason.NONE]
    with pytest.raises(ChainRefused, match="AlreadyOpen"):
        drop.do(OpenGrant, named, 0, 1, key=address(OTHER), leases=(reserve,))
    with pytest.raises(ChainRefused, match="Overlap"):
        drop.do(OpenGrant, "0x" + "fb" * 32, 0, 1, key=address(OTHER), leases=(reserve,))
    act = drop.signed(drop.act(OpenGrant, "0x" + "fb" * 32, key=address(OTHER), leases=(reserve,)), 0, 1)
    longer = msgspec.structs.replace(act, act=msgspec.structs.replace(act.act, key=address(NODE)))
    with pytest.raises(ChainRefused, match="BadSignature"):
        send(drop, longer, [(0, raw(act)[0]), (1, raw(act)[1])])


def test_after_redeem_by_a_revoked_remainder_comes_back_and_lost_ids_are_minted(drop: World) -> None:
    end = drop.chain.block()[1] + SOON
    grant = drop.open("away", [opening(PAID, 1001, 20, 0, end)])
    thief = drop.vouchers(grant, [(PAID, 12, wallet(70), 0)], batch_seq=9)
    assert drop.redeem(thief, OPERATOR) == [Reason.NONE]
    drop.anchor(grant, (0, 5, 0, 0), drop.vouchers(grant, [(PAID, 4, wallet(71), 0)]))
    before = drop.chain.operator_leased(drop.contract, PAID)
    with pytest.raises(ChainRefused, match="WrongStatus"):
        drop.do(Reclaim, grant, 0, 1, tier=PAID, from_seq=5)
    drop.do(Revoke, grant, 0, 1)
    with pytest.raises(ChainRefused, match="NotYet"):
        drop.do(Reclaim, grant, 0, 1, tier=PAID, from_seq=5)
    with pytest.raises(ChainRefused, match="NotYet"):
        drop.do(MintLost, grant, 0, 1, tier=PAID, seqs=(3,), receivers=(wallet(72),))
    drop.at(end + 1)
    with pytest.raises(ChainRefused, match="BadHigh"):  # below the checkpoint
        drop.do(Reclaim, grant, 0, 1, tier=PAID, from_seq=4)
    drop.do(Reclaim, grant, 0, 1, tier=PAID, from_seq=15)
    drop.do(Reclaim, grant, 0, 2, tier=PAID, from_seq=5)
    with pytest.raises(ChainRefused, match="BadHigh"):
        drop.do(Reclaim, grant, 0, 2, tier=PAID, from_seq=5)
    leased = [drop.chain.is_leased(drop.contract, PAID, 1001 + seq) for seq in range(20)]
    assert leased == [seq < 5 or seq == 12 for seq in range(20)]  # the thief's token is never leased again
    assert drop.chain.operator_leased(drop.contract, PAID) == before - 14
    drop.open("after it", [opening(PAID, 1006, 7)])
    drop.do(MintLost, grant, 1, 2, tier=PAID, seqs=(3, 4), receivers=(wallet(72), wallet(73)))
    assert str(drop.chain.owner_of(drop.contract, 1004)).lower() == wallet(72)
    assert str(drop.chain.owner_of(drop.contract, 1005)).lower() == wallet(73)
    for seqs, error in (((3,), "TokenAlreadyExists"), ((5,), "BadLost"), ((2, 1), "BadLost")):
        with pytest.raises(ChainRefused, match=error):
            drop.do(MintLost, grant, 1, 2, tier=PAID, seqs=seqs, receivers=(wallet(72),))


def test_holders_are_three_different_ones_in_order(drop: World) -> None:
    roles = own_roles()
    one, two, three = roles.holders
    zero = Holder("0x" + "00" * 20)
    for holders in ((one, one, three), (two, one, three), (one, three, two), (zero, two, three)):
        with pytest.raises(ChainRefused):
            world(drop.chain._rpc.url, replace(roles, holders=holders))


def test_a_contract_holder_answers_by_erc_1271_exactly_and_by_nothing_else(drop: World) -> None:
    roles = own_roles()
    holders = tuple(sorted((Holder(WALLET, "erc1271"), *roles.holders[:2]), key=lambda one: int(one.address, 16)))
    made = world(drop.chain._rpc.url, replace(roles, holders=holders))
    grant = made.open("its", [opening(FREE, 1, 1)])
    number = [holder.kind for holder in made.chain.holders(made.contract)].index("erc1271")
    act = made.act(Freeze, grant)
    with pytest.raises(ChainRefused, match="BadSignature"):  # not approved
        send(made, act, [(number, b"\0")])
    made.chain.send(RELAYER, WALLET, calls.call("approve", ("bytes32",), (act.digest(),)))
    for how in (1, 2, 3, 4):  # another word, no end, one that writes, four bytes only
        with pytest.raises(ChainRefused, match="BadSignature"):
            send(made, act, [(number, bytes([how]))])
    made.chain.submit(RELAYER, made.contract, add(act, Given(WALLET, "0x00"), made.chain.holders(made.contract)))
    assert made.chain.status(made.contract, grant) is Status.FROZEN
    other = made.open("its own", [opening(FREE, 2, 1)])
    call = calls.call("execute", ("address", "bytes"), (made.contract, calls.freeze(other)))
    made.chain.send(RELAYER, WALLET, call)
    assert made.chain.status(made.contract, other) is Status.FROZEN


def test_two_batches_of_one_sequence_freeze_the_grant_and_nothing_else_does(drop: World) -> None:
    grant = drop.open("cloned", [opening(PAID, 1101, 10)])
    one, two = (drop.vouchers(grant, [(PAID, seq, wallet(80), 0)], batch_seq=3)[0] for seq in (0, 1))
    next_ = drop.vouchers(grant, [(PAID, 1, wallet(80), 0)], batch_seq=4)[0]
    forged = drop.vouchers(grant, [(PAID, 2, wallet(80), 0)], OTHER, batch_seq=3)[0]
    unknown = [drop.vouchers("0x" + "cc" * 32, [(PAID, n, wallet(80), 0)], batch_seq=3)[0] for n in (0, 1)]
    empty = [one | {"signature": "0x" + "00" * 65} for one in unknown]
    for a, b in ((one, one), (one, next_), (one, forged), (forged, one), (one, unknown[0]), unknown, empty):
        with pytest.raises(ChainRefused, match="NotEquivocal"):
            drop.chain.report_equivocation(RELAYER, drop.contract, a, b)
    assert drop.chain.status(drop.contract, grant) is Status.OPEN
    drop.chain.report_equivocation(RELAYER, drop.contract, one, two)
    assert drop.chain.status(drop.contract, grant) is Status.FROZEN
    assert drop.redeem([one, two], OPERATOR) == [Reason.UNPROVEN] * 2


def test_nobody_signs_for_a_grant_that_is_not_open(drop: World) -> None:
    """A signature that recovers nobody must not equal the key of a grant that has none."""
    bad = drop.vouchers("0x" + "cd" * 32, [(FREE, 0, wallet(81), 0)])
    nobody = [bad[0] | {"signature": "0x" + "00" * 64 + "1b"}, bad[0] | {"signature": "0x" + "11" * 64 + "01"}]
    assert drop.redeem([*bad, *nobody]) == [Reason.NO_LEASE] * 3
