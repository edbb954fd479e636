"""Who gets claims and who none: decided from the plan, the record and what the front sees; nobody is told anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra import diversions
from infra.diversions import Diversion
from infra.errors import BadUsage
from infra.ops.diverted import Told, diverted
from infra.ops.diverting import Where
from infra.ops.drops import open_drop, plan_of_file
from infra.ops.failback import plan_failback
from infra.ops.failover import plan_failover
from infra.ops.front_look import Look
from infra.ops.setting_aside import begun, ended
from infra.plan.fronts import Lent
from infra.stacks import Stack
from node_image.front.runtime import Served

STACK = Stack("harbour-lights", "drop", 17, "lab", "harbour-lights", "", "harbour-lights")
APPLIANCE, SPARE = "quay-appliance1", "quay-spare1"
LENT = ("mole-spare1", "mole-spare2")
UP, DOWN, DRAIN = Served("UP"), Served("DOWN"), Served("DRAIN")
BOTH = {APPLIANCE: UP, SPARE: UP}
MOVED = Diversion("failover", "cordon", "ada@desk", "it lies", "2026-11-26T01:20:00+00:00", SPARE)
DRAINED = Diversion("drain", "drain", "ada@desk", "a new disk", "2026-11-26T01:20:00+00:00")


@pytest.fixture
def quay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Where:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    path, file = open_drop("harbour-lights")
    plan = plan_of_file(path, file, stack="harbour-lights", slot=17)
    return Where(STACK, plan, plan.geographies[0])


def test_without_a_name_the_spares_have_all_claims(quay: Where) -> None:
    wanted = plan_failover(quay, BOTH, None, "it lies")
    assert wanted.hows == {APPLIANCE: "cordon", SPARE: "ready"}
    assert (wanted.only, wanted.end) == ((SPARE,), (SPARE,))
    told = wanted.put[APPLIANCE]
    assert (told.act, told.how, told.why, told.to) == ("failover", "cordon", "it lies", SPARE)
    assert "@" in told.who
    assert wanted.back == "edgedrop failback quay"


def test_the_one_that_is_named_has_all_claims(quay: Where) -> None:
    assert plan_failover(quay, BOTH, APPLIANCE, "").hows == {APPLIANCE: "ready", SPARE: "cordon"}


@pytest.mark.parametrize(
    ("states", "to", "match"),
    [
        ({APPLIANCE: UP, SPARE: DOWN}, None, "no spare of quay is in service"),
        ({APPLIANCE: UP, SPARE: DOWN}, SPARE, "not in service: DOWN"),
        ({APPLIANCE: UP}, SPARE, "not in service: unknown"),
        (BOTH, "mole-spare1", "quay has no node mole-spare1"),
    ],
)
def test_nobody_is_sent_where_nobody_answers(
    quay: Where, states: dict[str, Served], to: str | None, match: str
) -> None:
    with pytest.raises(BadUsage, match=match) as refused:
        plan_failover(quay, states, to, "")
    assert APPLIANCE in refused.value.hint


def test_a_second_failover_goes_to_the_one_that_the_first_set_aside(quay: Where) -> None:
    diversions.change("harbour-lights", {APPLIANCE: MOVED})
    wanted = plan_failover(quay, {APPLIANCE: DRAIN, SPARE: UP}, APPLIANCE, "")
    assert wanted.hows == {APPLIANCE: "ready", SPARE: "cordon"}
    assert wanted.end == (APPLIANCE,)


def test_what_a_person_drained_stays_drained(quay: Where) -> None:
    diversions.change("harbour-lights", {APPLIANCE: DRAINED})
    states = {APPLIANCE: DRAIN, SPARE: UP}
    assert plan_failover(quay, states, None, "").hows == {SPARE: "ready"}
    with pytest.raises(BadUsage, match="drain by ada@desk"):
        plan_failover(quay, states, APPLIANCE, "")
    back = plan_failback(quay, "")
    assert (back.hows, back.end) == ({SPARE: "ready"}, ())
    assert f"{APPLIANCE} stays set aside by drain" in back.words


@pytest.fixture
def borrower(quay: Where) -> Where:
    """The quay, that two spares of the mole are lent to."""
    lent = tuple(Lent(name, "mole", "10.17.2.11", 32) for name in LENT)
    return replace(quay, geo=replace(quay.geo, lent=lent))


def test_a_spare_that_is_lent_can_have_all_claims(borrower: Where) -> None:
    one, other = LENT
    wanted = plan_failover(borrower, BOTH | dict.fromkeys(LENT, UP), one, "")
    assert wanted.hows == {APPLIANCE: "cordon", SPARE: "cordon", one: "ready", other: "cordon"}
    assert set(wanted.put) == {APPLIANCE, SPARE, f"quay/{other}"}, "the mole's own front goes on with it"
    diversions.change("harbour-lights", wanted.put, wanted.end)
    assert set(borrower.held) == {APPLIANCE, SPARE, other}
    back = plan_failback(borrower, "")
    assert back.hows == dict.fromkeys((APPLIANCE, SPARE, *LENT), "ready")
    diversions.change("harbour-lights", back.put, back.end)
    assert diversions.read("harbour-lights") == {}


def test_what_is_lent_stays_the_last_for_claims_that_go_to_an_own_spare(borrower: Where) -> None:
    wanted = plan_failover(borrower, BOTH | dict.fromkeys(LENT, UP), None, "")
    assert (wanted.only, wanted.hows) == (
        (SPARE,),
        {APPLIANCE: "cordon", SPARE: "ready"} | dict.fromkeys(LENT, "ready"),
    )


def test_what_is_drained_at_home_is_lent_to_nobody_and_what_is_failed_over_there_is(borrower: Where) -> None:
    one, other = LENT
    diversions.change("harbour-lights", {one: DRAINED, other: MOVED})
    assert set(borrower.held) == {one}
    with pytest.raises(BadUsage, match="drain by ada@desk"):
        plan_failover(borrower, BOTH | {one: DRAIN, other: UP}, one, "")


def test_failback_gives_back_what_was_failed_over_and_what_a_killed_command_left(quay: Where) -> None:
    diversions.change("harbour-lights", {APPLIANCE: MOVED})
    wanted = plan_failback(quay, "")
    assert wanted.hows == {APPLIANCE: "ready", SPARE: "ready"}
    assert wanted.end == (APPLIANCE,)


def test_the_last_one_is_drained_only_where_that_is_meant(quay: Where) -> None:
    states = {APPLIANCE: UP, SPARE: DOWN}
    with pytest.raises(BadUsage, match="nobody would answer its buyers"):
        begun(quay, states, "drain", APPLIANCE, "", last=False)
    meant = begun(quay, states, "drain", APPLIANCE, "", last=True)
    assert (meant.hows, meant.silent) == ({APPLIANCE: "drain"}, (APPLIANCE,))
    last_resort = begun(quay, states, "cordon", APPLIANCE, "", last=True)
    assert (last_resort.hows, last_resort.silent) == ({APPLIANCE: "cordon"}, ())


def test_each_command_ends_its_own_and_names_the_one_that_ends_another(quay: Where) -> None:
    diversions.change("harbour-lights", {APPLIANCE: MOVED, SPARE: DRAINED})
    with pytest.raises(BadUsage) as refused:
        ended(quay, "drain", APPLIANCE, "")
    assert refused.value.hint == "type: edgedrop failback quay"
    with pytest.raises(BadUsage) as refused:
        ended(quay, "cordon", SPARE, "")
    assert refused.value.hint == f"type: edgedrop drain {SPARE} --end"
    assert ended(quay, "drain", SPARE, "").hows == {SPARE: "ready"}


def test_status_says_who_and_why_and_which_front_has_forgotten() -> None:
    one, other = "quay-front", "quay-front2"
    assert Told(APPLIANCE, "quay", {one: "DRAIN", other: "DRAIN"}, MOVED).words("lights") == (
        f"{APPLIANCE} is failed over to {SPARE} by ada@desk since 2026-11-26T01:20:00 UTC: it lies"
    )
    forgot = Told(APPLIANCE, "quay", {one: "DRAIN", other: "UP"}, DRAINED).words("lights")
    assert forgot.endswith("but quay-front2 has it UP, since it was started anew: edgedrop up lights")
    stray = Told(SPARE, "quay", {one: "DRAIN"}, None).words("lights")
    assert stray == f"{SPARE} gets no claims, on nobody's record: edgedrop failback quay --drop lights"


def test_a_node_is_set_aside_where_one_front_of_a_pair_says_so(quay: Where) -> None:
    look = Look(quay.geo, {"quay-front": {APPLIANCE: DRAIN, SPARE: UP}, "quay-front2": BOTH}, "quay-front2")
    assert diverted(quay.plan, [look]) == (Told(APPLIANCE, "quay", {"quay-front": "DRAIN", "quay-front2": "UP"}, None),)
    dead = replace(look, fronts={"quay-front": {}, "quay-front2": BOTH})
    assert diverted(quay.plan, [dead]) == ()


def test_the_record_keeps_the_others(quay: Where) -> None:
    diversions.change("harbour-lights", {APPLIANCE: MOVED, "mole-spare1": DRAINED})
    diversions.change("harbour-lights", {SPARE: DRAINED}, [APPLIANCE])
    assert set(diversions.read("harbour-lights")) == {SPARE, "mole-spare1"}
    assert set(quay.held) == {SPARE}
    diversions.forget("harbour-lights")
    assert diversions.read("harbour-lights") == {}
