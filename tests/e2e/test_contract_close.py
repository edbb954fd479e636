"""Checkpoints and close-outs on a real EVM: what is covered stays, what is not comes back once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node_image.hub.chain import ChainRefused, Status
from node_image.hub.redemption import Reason
from node_image.protocol.acts import AddRoots, Freeze, Revoke, Unfreeze
from tests.e2e.contract_world import (
    FREE,
    HOLDERS,
    HUB,
    NODE,
    OPERATOR,
    OTHER,
    PAID,
    RELAYER,
    World,
    anvil,
    opening,
    wallet,
    world,
)

pytestmark = pytest.mark.e2e
ROOT = b"\x01" * 32


@pytest.fixture(scope="module")
def drop() -> Iterator[World]:
    with anvil() as url:
        yield world(url)


def close(drop: World, grant: str, highs: tuple[int, ...], **keys: object) -> None:
    """Signed by both and sent by a stranger."""
    drop.chain.close_out(RELAYER, drop.contract, grant, highs, drop.close_signatures(grant, highs, **keys))  # type: ignore[arg-type]


def test_only_the_hub_anchors_and_the_set_only_grows(drop: World) -> None:
    grant = drop.open("anchored", [opening(FREE, 1, 10), opening(PAID, 1001, 10)])
    for key in (OPERATOR, RELAYER, HOLDERS[0]):
        with pytest.raises(ChainRefused, match="NotHub"):
            drop.chain.anchor(key, drop.contract, grant, ROOT, (1, 0, 0, 0))
    with pytest.raises(ChainRefused, match="BadRoot"):
        drop.chain.anchor(HUB, drop.contract, grant, bytes(32), (1, 0, 0, 0))
    for highs in ((11, 0, 0, 0), (1, 0, 1, 0), (1, 0, 0), ()):
        with pytest.raises(ChainRefused, match="BadHigh"):
            drop.chain.anchor(HUB, drop.contract, grant, ROOT, highs)
    drop.chain.anchor(HUB, drop.contract, grant, ROOT, (4, 2, 0, 0))
    drop.chain.anchor(HUB, drop.contract, grant, b"\x02" * 32, (3, 5, 0, 0))
    assert drop.chain.issued_root(drop.contract, grant, ROOT)
    assert drop.chain.issued_root(drop.contract, grant, b"\x02" * 32)
    assert not drop.chain.issued_root(drop.contract, grant, b"\x03" * 32)
    assert [drop.chain.covered(drop.contract, grant, tier) for tier in (FREE, PAID)] == [4, 5]
    other = drop.open("unanchored", [opening(FREE, 11, 10)])
    assert not drop.chain.issued_root(drop.contract, other, ROOT)


def test_nothing_is_anchored_under_a_grant_that_is_not_open(drop: World) -> None:
    frozen, closed = (drop.open(f"not open {n}", [opening(FREE, 21 + n, 1)]) for n in range(2))
    drop.do(Freeze, frozen, 0)
    close(drop, closed, (0, 0, 0, 0))
    for grant in (frozen, closed, "0x" + "77" * 32):
        with pytest.raises(ChainRefused, match="WrongStatus"):
            drop.chain.anchor(HUB, drop.contract, grant, ROOT, (0, 0, 0, 0))


def test_a_close_out_ends_the_lease_and_frees_the_rest_once(drop: World) -> None:
    grant = drop.open("closing", [opening(FREE, 250, 300), opening(PAID, 1011, 10)])
    sold = drop.vouchers(grant, [(FREE, 9, wallet(1), 0), (FREE, 10, wallet(2), 0), (FREE, 299, wallet(3), 0)])
    drop.anchor(grant, (10, 0, 0, 0), sold)
    before = drop.chain.operator_leased(drop.contract, FREE)
    for highs in ((9, 0, 0, 0), (301, 0, 0, 0), (10, 11, 0, 0), (10, 0, 0, 1), (10,)):
        with pytest.raises(ChainRefused, match="BadHigh"):
            close(drop, grant, highs)
    for keys in ({"node": OTHER}, {"hub": OPERATOR}):
        with pytest.raises(ChainRefused, match="BadSignature"):
            close(drop, grant, (10, 0, 0, 0), **keys)
    with pytest.raises(ChainRefused, match="BadSignature"):  # signatures under other seqs
        drop.chain.close_out(
            RELAYER, drop.contract, grant, (11, 0, 0, 0), drop.close_signatures(grant, (10, 0, 0, 0), NODE, HUB)
        )
    close(drop, grant, (10, 0, 0, 0))
    assert drop.chain.status(drop.contract, grant) is Status.CLOSED
    assert drop.chain.operator_leased(drop.contract, FREE) == before - 290
    assert drop.redeem(sold) == [Reason.NONE, Reason.NO_LEASE, Reason.NO_LEASE]
    leased = [drop.chain.is_leased(drop.contract, FREE, 250 + seq) for seq in (0, 9, 10, 299)]
    assert leased == [True, True, False, False]
    close(drop, grant, (10, 0, 0, 0))  # done already
    with pytest.raises(ChainRefused, match="WrongStatus"):
        close(drop, grant, (11, 0, 0, 0))
    with pytest.raises(ChainRefused, match="Overlap"):
        drop.open("too low", [opening(FREE, 259, 10)])
    again = drop.open("next epoch", [opening(FREE, 260, 290), opening(PAID, 1011, 10)])
    assert drop.redeem(drop.vouchers(again, [(FREE, 289, wallet(4), 0)])) == [Reason.NONE]


@pytest.mark.parametrize("kind", [Freeze, Revoke])
def test_a_suspected_grant_is_not_closed_out(drop: World, kind: type[Freeze | Revoke]) -> None:
    grant = drop.open(kind.__name__, [opening(FREE, {Freeze: 31, Revoke: 41}[kind], 10)])
    drop.do(kind, grant, 0, 1)
    with pytest.raises(ChainRefused, match="WrongStatus"):
        close(drop, grant, (0, 0, 0, 0))


def test_a_closed_grant_that_is_frozen_and_unfrozen_stays_closed(drop: World) -> None:
    grant = drop.open("closed, frozen", [opening(FREE, 51, 10)])
    sold = drop.vouchers(grant, [(FREE, 0, wallet(5), 0)])
    close(drop, grant, (1, 0, 0, 0))
    drop.do(Freeze, grant, 1)
    assert drop.redeem(sold) == [Reason.UNPROVEN]
    drop.do(Unfreeze, grant, 0, 2)
    assert drop.chain.status(drop.contract, grant) is Status.CLOSED
    with pytest.raises(ChainRefused, match="WrongStatus"):
        close(drop, grant, (0, 0, 0, 0))
    assert drop.redeem(sold) == [Reason.NONE]


def test_a_supplement_covers_too(drop: World) -> None:
    grant = drop.open("supplemented", [opening(FREE, 61, 10)])
    drop.do(Freeze, grant, 1)
    for roots, highs, error in ((("0x" + "00" * 32,), (1, 0, 0, 0), "BadRoot"), ((), (11, 0, 0, 0), "BadHigh")):
        with pytest.raises(ChainRefused, match=error):
            drop.do(AddRoots, grant, 0, 1, roots=roots, high_seqs=highs)
    drop.do(AddRoots, grant, 0, 1, roots=("0x" + ROOT.hex(),), high_seqs=(7, 0, 0, 0))
    drop.do(Unfreeze, grant, 0, 1)
    with pytest.raises(ChainRefused, match="BadHigh"):
        close(drop, grant, (6, 0, 0, 0))
    close(drop, grant, (7, 0, 0, 0))


def test_an_older_epoch_redeems_beside_a_newer_one(drop: World) -> None:
    older, newer = drop.open("epoch 1", [opening(FREE, 71, 5)]), drop.open("epoch 2", [opening(FREE, 76, 5)])
    asked = [drop.vouchers(grant, [(FREE, 0, wallet(6 + n), 0)])[0] for n, grant in enumerate((newer, older))]
    assert drop.redeem(asked) == [Reason.NONE] * 2
