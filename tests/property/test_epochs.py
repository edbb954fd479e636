"""Rotate, close out and reclaim in whatever order: no token is ever in two leases, and the reserve is in none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.plan.epochs import Leased, next_leases, remainders, taken
from infra.plan.model import DropPlan, Epoch, Lease, Node
from tests.property.test_plan import drops, planned


@dataclass
class World:
    """A drop with what its chain holds; `there` are the leases that stand now."""

    plan: DropPlan
    there: dict[tuple[str, int], Leased] = field(default_factory=dict)
    minted: set[int] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def open(self, node: Node) -> None:
        """As the contract does it: no range twice, none above the ceilings, none in the reserve."""
        for held in node.leases:
            tier = self.plan.tiers[held.tier]
            wanted = set(range(held.start, held.start + held.quota))
            assert wanted
            assert held.quota <= tier.max_lease
            assert min(wanted) >= tier.first_token
            assert max(wanted) < tier.first_token + tier.operator_cap
            for one in self.there.values():
                assert not wanted & set(range(one.start, one.start + one.quota)), (held, one)
            assert not wanted & self.minted
            self.there[node.grant_id, held.tier] = Leased(node.grant_id, held.tier, held.start, held.quota)

    def cut(self, node: Node, data: st.DataObject, *, minted: bool) -> None:
        """A close-out, or a reclaim that leaves single minted tokens behind."""
        self.ended.add(node.grant_id)
        for held in node.leases:
            one = self.there[node.grant_id, held.tier]
            high = data.draw(st.integers(0, one.quota))
            if minted and high < one.quota:
                self.minted.add(data.draw(st.integers(one.start + high, one.start + one.quota - 1)))
            self.there[node.grant_id, held.tier] = replace(one, quota=high)

    def rotate(self, at: int, *, rest_only: bool) -> None:
        """The node's next epoch, if there is anything for it."""
        node = self.plan.nodes[at]
        newest = node.each()[-1]
        on_chain = tuple(self.there.values())
        only = remainders(newest.leases, on_chain, newest.grant_id) if rest_only else None
        found = next_leases(self.plan, node, taken(self.plan, on_chain), self.minted, only)
        if found:
            self.record(at, found)
            self.open(self.plan.nodes[at].each()[-1])

    def come_up(self, name: str) -> None:
        """An elastic spare, in its next epoch, if there is anything for it."""
        node = next(node for geo in self.plan.geographies for node in geo.elastic if node.name == name)
        found = next_leases(self.plan, node, taken(self.plan, tuple(self.there.values())), self.minted)
        others = {
            one.start for geo in self.plan.geographies for each in geo.elastic if each != node for one in each.kept
        }
        assert not others & {token for one in found for token in range(one.start, one.start + one.quota)}
        if not found:
            return
        number = node.each()[-1].epoch + 1 if node.leases else node.epoch
        one = Epoch(number, f"{name}/{number}", found)
        up = (
            replace(node, later=(*node.later, one))
            if node.leases
            else replace(node, grant_id=one.grant_id, leases=found)
        )
        self.plan = replace(
            self.plan,
            geographies=tuple(
                replace(geo, elastic=tuple(up if each.name == name else each for each in geo.elastic))
                for geo in self.plan.geographies
            ),
        )
        self.open(up.each()[-1])

    def record(self, at: int, found: tuple[Lease, ...]) -> None:
        """One epoch more in the plan."""
        node = self.plan.nodes[at]
        number = node.each()[-1].epoch + 1
        grown = replace(node, later=(*node.later, Epoch(number, f"{node.name}/{number}", found)))
        geographies = tuple(
            replace(geo, nodes=tuple(grown if one.name == node.name else one for one in geo.nodes))
            for geo in self.plan.geographies
        )
        self.plan = replace(self.plan, geographies=geographies)


def comes_or_goes(world: World, name: str, data: st.DataObject) -> None:
    """One that is up is closed out; one that is not comes up."""
    newest = next((node.each()[-1] for node in world.plan.stood if node.name == name), None)
    if newest is None or newest.grant_id in world.ended:
        world.come_up(name)
    else:
        world.cut(newest, data, minted=False)


@settings(max_examples=60, deadline=None)
@given(drops().filter(lambda file: sum(tier.supply for tier in file.spec.tiers) < 2000), st.data())
def test_no_token_is_ever_in_two_leases_and_the_reserve_in_none(file: object, data: st.DataObject) -> None:
    world = World(planned(file))  # type: ignore[arg-type]
    late = data.draw(st.sets(st.integers(0, len(world.plan.nodes) - 1)))  # not up yet: still theirs
    for at, node in enumerate(world.plan.nodes):
        if at not in late:
            world.open(node)
    up = [at for at in range(len(world.plan.nodes)) if at not in late]
    elastic = [node.name for geo in world.plan.geographies for node in geo.elastic]
    for _ in range(data.draw(st.integers(0, 8)) if up else 0):
        if bool(elastic) and data.draw(st.booleans()):
            comes_or_goes(world, data.draw(st.sampled_from(elastic)), data)
            continue
        at = data.draw(st.sampled_from(up))
        newest = world.plan.nodes[at].each()[-1]
        act = data.draw(st.sampled_from(["close", "reclaim", "rotate", "rotate --close"]))
        if act != "rotate" and newest.grant_id not in world.ended:
            world.cut(newest, data, minted=act == "reclaim")
        if act.startswith("rotate"):
            world.rotate(at, rest_only=act == "rotate --close")
    for at in late:
        world.open(world.plan.nodes[at])


@settings(max_examples=40, deadline=None)
@given(drops().filter(lambda file: sum(tier.supply for tier in file.spec.tiers) < 2000), st.data())
def test_a_rotation_with_close_loses_nothing_of_the_remainder(file: object, data: st.DataObject) -> None:
    world = World(planned(file))  # type: ignore[arg-type]
    for node in world.plan.nodes:
        world.open(node)
    at = data.draw(st.integers(0, len(world.plan.nodes) - 1))
    first = world.plan.nodes[at]
    world.cut(first, data, minted=False)
    left = {held.tier: held.quota - world.there[first.grant_id, held.tier].quota for held in first.leases}
    world.rotate(at, rest_only=True)
    newest = world.plan.nodes[at].each()[-1]
    got = {held.tier: held.quota for held in newest.leases} if newest.epoch > first.epoch else {}
    assert got == {tier: quota for tier, quota in left.items() if quota}
