"""A rolling re-image under any course: fleets, paces, failures, kills, fronts that lose a node for a while."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from infra.ops.reimaging.rolling import Pace, Stand, next_nodes

GEOGRAPHIES = ("quay", "mole", "pier", "slip")
MOST_STEPS = 400


@st.composite
def fleets(draw: st.DrawFn) -> dict[str, frozenset[str]]:
    """All nodes by geography; with `-s` a spare."""
    counts = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=4))
    return {
        geo: frozenset({f"{geo}{n}" for n in range(appliances)} | {f"{geo}-s{n}" for n in range(spares)})
        for geo, (appliances, spares) in zip(GEOGRAPHIES, counts, strict=False)
    }


@dataclass
class Run:
    """A run of the command: `stands` as it found them; each node is taken at most once in it."""

    places: dict[str, frozenset[str]]
    pace: Pace
    stands: dict[str, Stand]
    failed: bool = False

    def begin(self, away: frozenset[str]) -> tuple[str, ...]:
        """Those who begin, each rule held against them."""
        before = dict(self.stands)
        begun = next_nodes(before, self.pace, self.places, away)
        taken = {name for name, stand in before.items() if stand is Stand.TAKEN}
        done = sum(stand is Stand.DONE for stand in before.values())
        assert not begun or not self.failed, "nobody begins after a failure"
        assert len(set(begun)) == len(begun)
        assert all(before[name] is Stand.WAITING for name in begun), "none that is done is repeated"
        assert len(taken) + len(begun) <= self.pace.batch
        if begun and done < self.pace.canary:
            assert done + len(taken) + len(begun) <= self.pace.canary, "canaries are by themselves"
        for name in begun:
            others = next(nodes for nodes in self.places.values() if name in nodes) - {name}
            assert not others & (away | taken | set(begun)), "its geography has nobody else out"
        return begun


def appliances(places: dict[str, frozenset[str]]) -> list[str]:
    return sorted(name for nodes in places.values() for name in nodes if "-s" not in name)


@given(data=st.data(), places=fleets(), canary=st.integers(0, 4), batch=st.integers(1, 4))
def test_no_course_breaks_a_rule_and_runs_typed_again_end(
    data: st.DataObject, places: dict[str, frozenset[str]], canary: int, batch: int
) -> None:
    """Each run goes until it ends, fails or is killed; the next one finds those that are done, until all are."""
    names, done, taken_when_done = appliances(places), set[str](), 0
    spares = sorted(set().union(*places.values()) - set(names))
    faults = data.draw(st.integers(0, 3), label="failures and kills")
    for _ in range(faults + 1):
        run = Run(places, Pace(canary, batch), {name: Stand.DONE if name in done else Stand.WAITING for name in names})
        for step in range(MOST_STEPS):
            out = data.draw(st.frozensets(st.sampled_from(spares)) if spares and step % 3 else st.just(frozenset()))
            for name in run.begin(out):
                taken_when_done += name in done
                run.stands[name] = Stand.TAKEN
            under_way = [name for name, stand in run.stands.items() if stand is Stand.TAKEN]
            if not under_way:
                if run.failed or not out:
                    break
                continue
            name = data.draw(st.sampled_from(under_way))
            fails = faults > 0 and data.draw(st.booleans())
            faults -= fails
            if fails and data.draw(st.booleans(), label="killed"):
                done |= data.draw(st.frozensets(st.sampled_from(under_way)), label="came to their end by themselves")
                break
            run.stands[name], run.failed = (Stand.FAILED, True) if fails else (Stand.DONE, run.failed)
            done |= set() if fails else {name}
        else:
            raise AssertionError("it never came to an end")
    assert taken_when_done == 0
    assert done == set(names)
