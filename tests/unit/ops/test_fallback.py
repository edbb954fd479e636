"""`edgedrop fallback open` before anything is done: who sells, from which tokens, what it goes on with and refuses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from infra import epochs
from infra.epochs import Recorded
from infra.errors import BadUsage
from infra.ops import fallback, rotate
from infra.ops.drops import open_drop, plan_of_file
from infra.ops.epoch import Known, known_node
from infra.ops.place import Place
from infra.ops.reserve import Part, leases_out_of
from infra.plan import facts, plan_lab
from infra.plan.model import DropPlan, Lease
from infra.stacks import Stack
from node_image.hub.chain import Chain, Status
from node_image.hub.reading import TierOnChain

APPLIANCE, SPARE = "quay-appliance1", "quay-spare1"
STACK = Stack("harbour-lights", "drop", 17, "lab", "harbour-lights", "", "harbour-lights")
NOW = 1_790_000_000


class Told(Chain):
    """A chain that answers from what a test says; nobody is asked."""

    def __init__(
        self, plan: DropPlan, suspected: frozenset[str], leased: frozenset[int], opened: frozenset[str]
    ) -> None:
        super().__init__("http://127.0.0.1:9")
        self.plan, self.suspected, self.leased, self.opened = plan, suspected, leased, opened

    def block(self) -> tuple[int, int]:
        """Within the drop's window."""
        return 1, NOW

    def tier(self, contract: str, number: int) -> TierOnChain | None:  # noqa: ARG002
        """As planned."""
        tier = self.plan.tiers[number] if number < len(self.plan.tiers) else None
        return TierOnChain(tier.first_token, tier.supply, tier.operator_cap, tier.price_wei, None) if tier else None

    def is_leased(self, contract: str, tier: int, token_id: int) -> bool:  # noqa: ARG002
        """Where the test says so."""
        return token_id in self.leased

    def status(self, contract: str, grant_id: str, *, final: bool = False) -> Status:  # noqa: ARG002
        """Frozen where the test says so."""
        return Status.FROZEN if grant_id in self.suspected else Status.OPEN

    def grant_key(self, contract: str, grant_id: str, *, final: bool = False) -> str | None:  # noqa: ARG002
        """Open where the test says so."""
        return "0x" + "11" * 20 if grant_id in self.opened else None


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


def planned() -> DropPlan:
    """Harbour Lights as it stands, with what was recorded: 2, 1 and 1 tokens are kept back, from 39, 56 and 64 on."""
    return plan_of_file(*open_drop("harbour-lights"), stack="harbour-lights", slot=17)


def place(*suspected: str, leased: tuple[int, ...] = (), opened: tuple[str, ...] = ()) -> Place:
    """The drop on this machine."""
    plan = planned()
    ids = {one.name: one.grant_id for one in plan.nodes}
    chain = Told(plan, frozenset(ids[one] for one in suspected), frozenset(leased), frozenset(opened))
    return Place(chain, 31337, plan.contract.address, "harbour-lights", STACK, plan)


def ranges(leases: tuple[Lease, ...]) -> list[tuple[int, int, int]]:
    return [(one.tier, one.start, one.quota) for one in leases]


def test_the_first_spare_sells_unless_its_key_is_suspected() -> None:
    assert fallback._seller(place(APPLIANCE), "quay") == SPARE
    assert fallback._seller(place(SPARE), "quay") == APPLIANCE
    assert fallback._seller(place(SPARE, APPLIANCE), "quay") == SPARE
    with pytest.raises(BadUsage, match="no geography pier"):
        fallback._seller(place(), "pier")


def test_all_that_is_left_of_the_reserve_or_as_much_as_is_asked() -> None:
    assert ranges(leases_out_of(place(), Part())) == [(0, 39, 2), (1, 56, 1), (2, 64, 1)]
    assert ranges(leases_out_of(place(leased=(39, 56, 64)), Part())) == [(0, 40, 1)]
    assert ranges(leases_out_of(place(), Part(("print",), quota=1))) == [(0, 39, 1)]
    with pytest.raises(BadUsage, match="has 1 tokens left in reserve"):
        leases_out_of(place(), Part(("shirt",), quota=2))
    with pytest.raises(BadUsage, match="nothing is left"):
        leases_out_of(place(leased=(39, 40, 56, 64)), Part())
    with pytest.raises(BadUsage, match="is over"):
        leases_out_of(place(), Part(redeem_by=NOW))


def test_what_was_opened_for_another_grant_meanwhile_is_chosen_anew_only_if_one_says_what() -> None:
    begun = fallback._wanted(known_node(place(), SPARE), Part(("print",)))
    epochs.put("harbour-lights", SPARE, begun)
    assert fallback._recorded(known_node(place(), SPARE), begun, Part()) == begun
    known = known_node(place(leased=(39,)), SPARE)
    with pytest.raises(BadUsage, match="some of print 39-40 was opened for another grant") as refused:
        fallback._recorded(known, begun, Part())
    assert "--quota" in refused.value.hint
    assert ranges(fallback._recorded(known, begun, Part(("print",))).leases) == [(0, 40, 1)]
    assert epochs.read("harbour-lights")[SPARE][-1].leases[0].start == 40
    with pytest.raises(BadUsage, match="nothing is left"):
        fallback._recorded(known_node(place(leased=(39, 40)), SPARE), begun, Part(("print",)))
    assert epochs.awaiting("harbour-lights") == ()


def test_who_was_begun_with_is_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    epochs.put("harbour-lights", APPLIANCE, fallback._wanted(known_node(place(), APPLIANCE), Part()))
    assert fallback._seller(place(), "quay") == APPLIANCE
    fallback._wanted(known_node(place(), SPARE), Part())
    assert "quay-appliance1 waits for the holders, too" in capsys.readouterr().err


def test_the_node_is_told_of_the_epoch_and_nobody_else_is_until_it_is_open() -> None:
    wanted = fallback._wanted(known_node(place(), SPARE), Part())
    assert (wanted.epoch, wanted.reserve, wanted.opened, wanted.done) == (2, True, False, False)
    before = planned()
    epochs.put("harbour-lights", SPARE, wanted)
    plan = planned()
    node = plan.nodes[1]
    told = facts(plan, node, plan_lab(17), "PEM", {"hub": "HUB"})
    assert [one.epoch for one in told.each()] == [1, 2]
    assert plan.grants == before.grants
    epochs.put("harbour-lights", SPARE, msgspec.structs.replace(wanted, opened=True))
    opened = planned()
    assert [one.leases for one in opened.nodes[1].each()][1] == wanted.leases
    assert facts(opened, opened.nodes[1], plan_lab(17), "PEM", {"hub": "HUB"}) == told  # so nothing is played anew


def test_what_was_begun_is_gone_on_with_and_a_rotation_is_not_crossed() -> None:
    begun = fallback._wanted(known_node(place(), SPARE), Part(("print",)))
    epochs.put("harbour-lights", SPARE, begun)
    known = known_node(place(), SPARE)
    assert fallback._wanted(known, Part()) == begun
    with pytest.raises(BadUsage, match="is being opened out of the fallback reserve") as refused:
        rotate._wanted(known, close=False)
    assert refused.value.hint.endswith("fallback open --geo quay --node quay-spare1")
    epochs.put("harbour-lights", APPLIANCE, Recorded(2, closes=1))
    with pytest.raises(BadUsage, match="a rotation of quay-appliance1 was begun"):
        fallback._wanted(known_node(place(), APPLIANCE), Part())


def test_a_rotation_does_not_close_what_it_could_not_lease_anew() -> None:
    done = fallback._wanted(known_node(place(), SPARE), Part())
    epochs.put("harbour-lights", SPARE, msgspec.structs.replace(done, opened=True, done=True))
    known = known_node(place(), SPARE)
    with pytest.raises(BadUsage, match="epoch 2 of quay-spare1 is of the fallback reserve"):
        rotate._wanted(known, close=True)


def test_a_nodes_next_epoch_passes_over_what_others_opened_on_chain() -> None:
    known = known_node(place(), SPARE)
    opened = place(opened=(known.grant_id(2), known.grant_id(3)))
    assert fallback._wanted(Known(opened, known.plan, STACK, known.node), Part()).epoch == 4
