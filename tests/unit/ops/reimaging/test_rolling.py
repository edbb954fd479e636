"""Who of a fleet begins: canaries by themselves, then a batch; one of a geography; nobody after a failure."""

from __future__ import annotations

import pytest

from infra.ops.reimaging.rolling import Pace, Stand, blocked, in_order, next_nodes

W, T, D, F = Stand.WAITING, Stand.TAKEN, Stand.DONE, Stand.FAILED
NAMES = ("q1", "q2", "m1", "m2", "p1")
PLACES = {
    "quay": frozenset({"q1", "q2", "q-spare"}),
    "mole": frozenset({"m1", "m2", "m-spare"}),
    "pier": frozenset({"p1"}),
}


def begin(
    stands: tuple[Stand, ...], *, canary: int = 1, batch: int = 3, away: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    return next_nodes(dict(zip(NAMES, stands, strict=True)), Pace(canary, batch), PLACES, away)


@pytest.mark.parametrize(
    ("stands", "begun"),
    [
        ((W, W, W, W, W), ("q1",)),  # the canary
        ((T, W, W, W, W), ()),  # and nobody beside it
        ((D, W, W, W, W), ("q2", "m1", "p1")),  # then a batch, one of a geography
        ((D, T, W, W, T), ("m1",)),
        ((D, T, T, W, T), ()),
        ((D, D, T, W, T), ()),  # m2 waits for m1
        ((D, D, D, W, T), ("m2",)),
        ((D, D, D, D, D), ()),
        ((F, W, W, W, W), ()),
        ((D, F, T, W, W), ()),
        ((W, W, D, W, W), ("q1", "m2", "p1")),  # a canary was well before
    ],
)
def test_who_begins(stands: tuple[Stand, ...], begun: tuple[str, ...]) -> None:
    assert begin(stands) == begun


def test_more_canaries_and_none() -> None:
    assert begin((W, W, W, W, W), canary=2) == ("q1", "m1")
    assert begin((D, W, W, W, W), canary=2) == ("q2",)
    assert begin((W, W, W, W, W), canary=0, batch=2) == ("q1", "m1")
    assert begin((W, W, W, W, W), canary=5, batch=2) == ("q1", "m1")


def test_a_node_waits_for_its_neighbours_and_one_that_is_out_itself_does_not() -> None:
    assert begin((W, W, W, W, W), canary=0, away=frozenset({"q-spare"})) == ("m1", "p1")
    assert begin((W, W, W, W, W), canary=0, away=frozenset({"q2", "p1"})) == ("q2", "m1", "p1")
    assert begin((W, W, W, W, W), away=frozenset({"q1", "q2", "q-spare"})) == ("m1",)


def test_what_keeps_the_first_from_beginning_is_named() -> None:
    stands = dict(zip(NAMES, (D, W, W, W, W), strict=True))
    assert blocked(stands, PLACES, {"q-spare", "q2", "m1"}) == ("q2", ("q-spare",))


def test_those_that_a_killed_run_has_begun_are_first() -> None:
    assert in_order(NAMES, {"m1", "p1"}) == ("m1", "p1", "q1", "q2", "m2")
