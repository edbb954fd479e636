"""Who buys what where, and what they saw."""

from infra.ops.claimant import Got, Wish
from infra.ops.sales import sales
from infra.ops.selling import seller, share
from infra.plan.model import Geography, Node


def node(name: str, geo: str) -> Node:
    return Node(name, geo, "appliance", "docker", "10.16.1.10", 22, "root", None, 1, "0x", ())


QUAY, MOLE, SPARE = node("quay-appliance1", "quay"), node("mole-appliance1", "mole"), node("quay-spare1", "quay")


def test_geographies_buy_in_turn_and_the_stock_goes_down() -> None:
    stock = {QUAY.name: {0: 2, 1: 1}, MOLE.name: {0: 1}}
    assert share([QUAY, MOLE], stock, 3) == [("quay", 0), ("mole", 0), ("quay", 0)]
    assert stock == {QUAY.name: {0: 0, 1: 1}, MOLE.name: {0: 0}}


def test_no_more_is_bought_than_there_is() -> None:
    assert share([QUAY, MOLE], {QUAY.name: {0: 1}}, 10) == [("quay", 0)]
    assert share([], {}, 10) == []


def test_the_spare_sells_where_the_appliance_is_dead() -> None:
    geo = Geography("quay", "Quay", "10.16.1.0/24", "10.16.1.2", (QUAY, SPARE))
    assert seller(geo) is QUAY
    assert seller(geo, frozenset([QUAY.name])) is SPARE


def got(milliseconds: float, *failures: str, voucher: bool = True, geo: str = "quay") -> Got:
    return Got(Wish("c", 0, "0x", {}), geo, "n", milliseconds, {} if voucher else None, failures)


def test_what_buyers_saw_is_told_by_geography() -> None:
    quay, mole = sales([got(5), got(7, "n: 503"), got(90, "n: 410", voucher=False), got(1, geo="mole")])
    assert (quay.claims, quay.failed, quay.lost) == (3, 2, 1)
    assert (quay.p50_ms, quay.p99_ms, dict(quay.answered_by)) == (7, 90, {"n": 2})
    assert (mole.geography, mole.claims, mole.p50_ms, mole.p99_ms) == ("mole", 1, 1, 1)
