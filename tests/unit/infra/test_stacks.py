"""What a machine knows of its stacks: kept once, told in the order of standing up."""

from pathlib import Path

import pytest

from infra import stacks
from infra.errors import BadUsage, StackNotUp
from infra.ops.targets import known_stacks
from infra.stacks import Stack

LAB = Stack("lab", "lab", 16)
DROP = Stack("lights", "drop", 17, "lab", "lights", "lights.yaml", "lights", split=True)
QUAY = Stack("lights.quay", "geography", 17, "lab", "lights", "lights.yaml", "lights", "quay", split=True)


@pytest.fixture(autouse=True)
def _three_stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    for stack in (QUAY, DROP, LAB):
        stacks.save(stack)


def test_a_stack_is_read_as_it_was_kept() -> None:
    assert stacks.load("lights.quay") == QUAY
    assert stacks.drops() == ("lights",)
    assert stacks.of_drop("lights") == (DROP, QUAY)


def test_what_a_killed_run_left_of_a_record_goes_with_the_stack(tmp_path: Path) -> None:
    left = tmp_path / "stacks" / "lights.quay.json.1558.1644.part"
    left.write_bytes(b"")
    stacks.forget("lights")
    assert left.exists(), "it is of another stack"
    stacks.forget("lights.quay")
    assert [path.name for path in (tmp_path / "stacks").iterdir()] == ["lab.json"]


def test_nodes_are_held_by_their_geographys_stack_where_the_drop_is_split() -> None:
    assert stacks.holder("lights", "quay") == QUAY
    stacks.save(Stack("whole", "drop", 18, "lab", "whole", "whole.yaml", "whole"))
    assert stacks.holder("whole", "quay").name == "whole"


def test_one_that_nobody_brought_up_says_what_to_type() -> None:
    with pytest.raises(StackNotUp) as told:
        stacks.load("other")
    assert told.value.hint == "type: edgedrop up other"


def test_all_go_down_the_other_way_round() -> None:
    assert stacks.known() == (LAB, DROP, QUAY)
    assert known_stacks([], every=True) == (QUAY, DROP, LAB)


def test_a_split_drop_takes_its_geographies_with_it() -> None:
    assert known_stacks(["lights"], every=False) == (QUAY, DROP)


def test_a_lab_that_is_used_stays() -> None:
    with pytest.raises(BadUsage, match="still uses lab"):
        known_stacks(["lab"], every=False)


def test_names_or_all_but_not_both_and_not_neither() -> None:
    for names, every in (([], False), (["lab"], True)):
        with pytest.raises(BadUsage, match="one of the two"):
            known_stacks(names, every=every)


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(BadUsage, match="no stack other"):
        known_stacks(["other", "lights"], every=False)


def test_spares_that_come_and_go_are_in_a_stack_and_a_backend_of_the_hubs(tmp_path: Path) -> None:
    made = stacks.elastic_of(DROP, "quay")
    assert (made.name, made.kind, made.drop_stack, made.geography) == (
        "lights.quay.elastic",
        "elastic",
        "lights",
        "quay",
    )
    assert stacks.holder("lights", "quay", elastic=True) == made, "also before one ever came up"
    stacks.save(made)
    assert stacks.holder("lights", "quay") == QUAY
    assert stacks.backend(made.name) == tmp_path / "hub" / "pulumi"
    assert stacks.backend(DROP.name) == stacks.backend() == tmp_path / "pulumi"
    assert stacks.drops() == ("lights",)


def test_they_go_with_their_drop_and_before_it_and_never_alone() -> None:
    made = stacks.elastic_of(DROP, "quay")
    stacks.save(made)
    assert known_stacks(["lights"], every=False) == (made, QUAY, DROP)
    assert known_stacks([], every=True) == (made, QUAY, DROP, LAB)
    with pytest.raises(BadUsage, match="is the hub's") as refused:
        known_stacks([made.name], every=False)
    assert refused.value.hint == "edgedrop down lights takes them with the drop"
