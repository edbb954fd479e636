"""A node with several grants: which of its signers a claim comes to, and that none is ever signed by two."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import pytest
from coincurve import PrivateKey

from node_image.mint.epochs import Asks, epochs, of_grant
from node_image.protocol import facts as drop_facts
from node_image.protocol.rules import Claim
from node_image.signer.client import SignerAway, SignerClient, SignerRefused, socket_of
from tests.drop_on_disk import Drop, make_drop, softhsm_missing


class Says:
    """A signer that gives one answer to everything; how often it was asked."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer, self.asked = answer, 0

    async def ask(self, op: str, **_fields: object) -> dict[str, Any]:
        self.asked += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"op": op, **self._answer}


def no(code: str) -> SignerRefused:
    return SignerRefused(code, code)


AWAY = SignerAway("gone")
GOOD: dict[str, Any] = {"good": True}
WALLET = PrivateKey(bytes(31) + b"\x07")


def answered(first: dict[str, Any] | Exception, second: dict[str, Any] | Exception, op: str = "claim") -> str:
    """Whose answer it is, or the code of the no."""
    older, newer = Says(first), Says(second)
    try:
        asyncio.run(epochs({2: newer, 1: older}).ask(op))
    except SignerRefused as refusal:
        return refusal.code
    except SignerAway:
        return "away"
    return "second" if newer.asked else "first"


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        (GOOD, GOOD, "first"),
        (no("sold_out"), GOOD, "second"),
        (no("closed"), GOOD, "second"),
        (no("closed"), no("not_ready"), "not_ready"),
        (no("closed"), no("sold_out"), "sold_out"),
        (no("sold_out"), no("closed"), "closed"),
        (no("wallet_cap"), GOOD, "wallet_cap"),
        (no("conflict"), GOOD, "conflict"),
        (no("not_ready"), GOOD, "not_ready"),  # what can't say may hold the claim
        (no("stopped"), GOOD, "stopped"),
        (AWAY, GOOD, "away"),
    ],
)
def test_the_next_epoch_is_asked_only_of_what_the_older_never_signs(
    first: dict[str, Any] | Exception, second: dict[str, Any] | Exception, answer: str
) -> None:
    assert answered(first, second) == answer


@pytest.mark.parametrize("op", ["find", "receive"])
@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        (GOOD, AWAY, "first"),
        (no("not_found"), GOOD, "second"),
        (AWAY, GOOD, "second"),
        (no("not_found"), no("not_found"), "not_found"),
        (no("not_found"), AWAY, "away"),
        (AWAY, no("not_found"), "away"),
    ],
)
def test_a_claim_is_looked_for_in_all_and_not_found_only_where_all_say_so(
    first: dict[str, Any] | Exception, second: dict[str, Any] | Exception, answer: str, op: str
) -> None:
    assert answered(first, second, op) == answer


@pytest.mark.parametrize("other", [AWAY, no("not_found"), {"reserve": "b"}])
def test_a_reserve_voucher_is_found_where_no_epoch_has_a_voucher(other: dict[str, Any] | Exception) -> None:
    def found(*said: dict[str, Any] | Exception) -> dict[str, Any]:
        return asyncio.run(epochs({number: Says(one) for number, one in enumerate(said)}).ask("find"))

    assert found({"reserve": "a"}, other) == {"op": "find", "reserve": "a"}
    assert found({"reserve": "a"}, GOOD) == found(other, GOOD) == {"op": "find", **GOOD}


def status(grant: str, **more: object) -> dict[str, Any]:
    told = {"grant_id": grant, "ready": True, "reason": "", "closed": False, "issued": {"0": 1}, "left": {"0": 2}}
    return told | more


@pytest.mark.parametrize(
    ("first", "second", "ready"),
    [
        (status("a"), status("b", ready=False, left={}), True),
        (status("a", ready=False, closed=True, left={"0": 0}), status("b"), True),
        (status("a", ready=False, closed=True), status("b", ready=False, reason="no lease"), False),
        (status("a", ready=False, reason="the disk is full"), status("b"), False),
        (AWAY, status("b"), False),
        (status("a", ready=False, closed=True), status("b", ready=False, closed=True), False),
    ],
)
def test_the_node_is_ready_where_the_oldest_open_epoch_is(
    first: dict[str, Any] | Exception, second: dict[str, Any], ready: bool
) -> None:
    told = asyncio.run(epochs({1: Says(first), 2: Says(second)}).ask("status"))
    assert told["ready"] is ready
    assert [one["epoch"] for one in told["epochs"]] == [1, 2]
    assert told["grant_id"] == "b"


def test_what_is_given_and_left_is_added_up() -> None:
    told = asyncio.run(epochs({1: Says(status("a")), 2: Says(status("b", left={"0": 5, "1": 1}))}).ask("status"))
    assert (told["issued"], told["left"]) == ({"0": 2}, {"0": 7, "1": 1})
    assert of_grant(told, "a")["left"] == {"0": 2}
    assert of_grant(told, "c") == {}
    assert of_grant(status("a"), "a") == status("a")


def test_a_node_with_one_epoch_is_asked_as_ever() -> None:
    alone = Says(GOOD)
    assert epochs({1: alone}) is alone


def fields(claim: Claim) -> dict[str, Any]:
    """As the mint hands it over."""
    return asdict(claim)


@pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())
def test_two_grants_in_one_signer_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    drop = make_drop(tmp_path_factory.mktemp("node") / "d").rotated(2)
    process = drop.signer()
    try:
        keys = [str(drop.ask("address", one.grant_id)["key"]) for one in drop.facts.each()]
        assert len(set(keys)) == 2
        asyncio.run(_rotation(drop, keys))
        process.kill()
        process.wait()
        process = drop.signer()
        assert [drop.ask("address", one.grant_id)["key"] for one in drop.facts.each()] == keys
        asyncio.run(_afterwards(drop))
    finally:
        process.kill()
        process.wait()
    journals = sorted(path.name for path in (drop.folder / "journal").iterdir())
    assert journals == ["lights.quay-appliance1.1.journal", "lights.quay-appliance1.2.journal"]


async def _signers(drop: Drop) -> dict[int, SignerClient]:
    """Each vouched for: without a witness a signer signs nothing."""
    found = {one.epoch: SignerClient(socket_of(drop.socket, one.epoch)) for one in drop.facts.each()}
    for signer in found.values():
        await drop.witness.vouch_soon(signer)
    return found


async def _refusal(node: Asks, claim: Claim) -> str:
    with pytest.raises(SignerRefused) as refused:
        await node.ask("claim", **fields(claim))
    return refused.value.code


async def _rotation(drop: Drop, keys: list[str]) -> None:
    """Epoch 1 sells its only token, then epoch 2 goes on; who asks again gets what they had."""
    signers = await _signers(drop)
    node, first, second = epochs(signers), drop.claim("first", WALLET), drop.claim("second")
    await signers[1].ask("lease", envelope=drop.at(1).lease(keys[0], quota=1))
    one = await node.ask("claim", **fields(first))
    assert await _refusal(node, second) == "not_ready"  # epoch 2 has no lease yet
    with pytest.raises(SignerRefused, match="another grant"):
        await signers[1].ask("lease", envelope=drop.at(2).lease(keys[1]))
    await signers[2].ask("lease", envelope=drop.at(2).lease(keys[1], quota=2, start=101))
    two = await node.ask("claim", **fields(second))
    grants = [told["voucher"]["voucher"]["grantId"] for told in (one, two)]
    assert grants == [facts.grant_id for facts in drop.facts.each()]
    assert [told["voucher"]["token_id"] for told in (one, two)] == ["100", "101"]
    for asked, told in ((first, one), (second, two)):
        again = await node.ask("claim", **fields(asked))
        assert (again["voucher"], again["new"]) == (told["voucher"], False)


async def _afterwards(drop: Drop) -> None:
    """Epoch 1 is closed by its own command: what it gave is found, and never given again by epoch 2."""
    node = epochs(await _signers(drop))
    closed = await asyncio.to_thread(lambda: drop.ask("close", stdin=drop.at(1).close()))
    assert closed["high_seqs"] == [1]
    told = await node.ask("status")
    assert (told["ready"], told["left"], told["issued"]) == (True, {"0": 1}, {"0": 2})
    given = [(await node.ask("find", claim_id=name))["token_id"] for name in ("first", "second")]
    assert given == ["100", "101"]
    assert await _refusal(node, drop.claim("another", WALLET)) == "wallet_cap"
    assert (await node.ask("claim", **fields(drop.claim("third"))))["voucher"]["token_id"] == "102"
    assert await _refusal(node, drop.claim("late")) == "sold_out"


def test_the_first_epochs_document_is_as_it_was(tmp_path_factory: pytest.TempPathFactory) -> None:
    drop = make_drop(tmp_path_factory.mktemp("node") / "d")
    assert b"later" not in (drop.folder / "drop" / "drop.json").read_bytes()
    told = drop_facts.parse((drop.rotated(2).folder / "drop" / "drop.json").read_bytes())
    assert [(one.epoch, one.later) for one in told.each()] == [(1, ()), (2, ())]
    assert socket_of(drop.socket, 1) == drop.socket
    assert socket_of(drop.socket, 3).name == "signer.3.sock"
