"""`edgedrop rotate` before anything is done: what it goes on with, what it will do, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra import epochs
from infra.epochs import Recorded
from infra.errors import BadUsage
from infra.ops import rotate
from infra.ops.drops import open_drop, plan_of_file
from infra.ops.epoch import Known
from infra.ops.place import Place
from infra.plan.model import Lease
from infra.stacks import Stack
from node_image.hub.chain import Chain
from node_image.protocol.eip712 import grant_id

NODE = "quay-appliance1"
STACK = Stack("harbour-lights", "drop", 17, "lab", "harbour-lights", "", "harbour-lights")


class Told(Chain):
    """A chain that answers from what a test says; nobody is asked."""

    def __init__(self, opened: dict[str, int], minted: frozenset[int] = frozenset()) -> None:
        super().__init__("http://127.0.0.1:9")
        self.opened, self.minted = opened, minted

    def grant_key(self, contract: str, grant_id: str, *, final: bool = False) -> str | None:  # noqa: ARG002
        """Open where the test says so."""
        return "0x" + "11" * 20 if grant_id in self.opened else None

    def leases(self, contract: str) -> dict[tuple[str, int], tuple[int, int]]:  # noqa: ARG002
        """Of tier 0 as many as the test says, of the others all that was planned."""
        first = {(grant, 0): (1, quota) for grant, quota in self.opened.items()}
        return first | {(grant, tier): held for grant in self.opened for tier, held in ((1, (41, 5)), (2, (57, 2)))}

    def minted_token_ids(self, contract: str, since: int = 0) -> set[int]:  # noqa: ARG002
        """What the test says."""
        return set(self.minted)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


def known(opened: dict[int, int] | None = None) -> Known:
    """The quay's appliance; `opened` are its epochs on chain with what is left of tier 0 in each."""
    path, file = open_drop("harbour-lights")
    plan = plan_of_file(path, file, stack="harbour-lights", slot=17)
    there = {"0x" + grant_id("harbour-lights", NODE, epoch).hex(): quota for epoch, quota in (opened or {}).items()}
    place = Place(Told(there), 31337, plan.contract.address, "harbour-lights", STACK, plan)
    return Known(place, plan, STACK, plan.nodes[0])


def test_where_all_is_leased_it_says_how_to_close() -> None:
    with pytest.raises(BadUsage, match="all but the fallback reserve is in leases") as refused:
        rotate._wanted(known({1: 11}), close=False)
    assert "--close" in refused.value.hint


def test_it_takes_what_a_close_out_gave_back() -> None:
    found = rotate._wanted(known({1: 4}), close=False)
    assert (found.epoch, found.closes) == (2, None)
    assert [(one.tier, one.start, one.quota) for one in found.leases] == [(0, 5, 6)]


def test_an_epoch_that_another_command_opened_on_chain_is_passed_over() -> None:
    assert rotate._wanted(known({1: 4, 2: 0, 3: 0}), close=False).epoch == 4


def test_what_was_begun_is_gone_on_with_whatever_is_asked_for() -> None:
    begun = Recorded(2, closes=1)
    epochs.put("harbour-lights", NODE, begun)
    assert rotate._wanted(known({1: 4}), close=False) == begun
    assert rotate._recorded(known({1: 4}), begun) == begun
    epochs.put("harbour-lights", NODE, Recorded(2, closes=1, leases=(Lease(0, 5, 7, 1, 2),), done=True))
    assert rotate._wanted(known({1: 4, 2: 3}), close=False).epoch == 3


def test_it_is_on_record_before_anything_is_done() -> None:
    told = known({1: 4})
    wanted = rotate._recorded(told, rotate._wanted(told, close=False))
    assert epochs.read("harbour-lights") == {NODE: (wanted,)}
    assert wanted.leases
    assert not wanted.done


def test_what_another_node_is_closing_for_itself_is_not_taken() -> None:
    told = known({1: 4})
    epochs.put("harbour-lights", NODE, Recorded(2, closes=1))
    other = replace(told, node=told.plan.nodes[1])
    with pytest.raises(BadUsage, match="nothing of harbour-lights is free"):
        rotate._wanted(other, close=False)


def test_it_says_what_it_will_do_and_what_stays() -> None:
    closing, opening = (
        rotate._words(known({1: 4}), one) for one in (Recorded(2, closes=1), Recorded(2, leases=LEASES))
    )
    assert "closes epoch 1 for ever, and opens epoch 2" in closing[0]
    assert "what epoch 1 has left" in closing[0]
    assert "opens epoch 2 of quay-appliance1, with a new key in its HSM: print 5-11" in opening[0]
    assert closing[1] == opening[1] == "vouchers of epoch 1 redeem as before, and their claims are answered as before"


LEASES = (Lease(0, 5, 7, 1, 2),)
