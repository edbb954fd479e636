"""What a killed run left is found by label, and only what the state doesn't know is called stray."""

from pathlib import Path

from infra.ops.heal import cut_short, restore, strays

STATE = {"resources": [{"id": "c0ffee"}, {"id": "drop-quay"}, {"urn": "no id"}]}


def test_what_the_state_knows_by_id_or_name_is_no_stray() -> None:
    labelled = [("container", "drop-quay-front", "c0ffee"), ("volume", "drop-quay", "drop-quay")]
    assert strays(labelled, STATE) == []


def test_containers_go_before_the_networks_they_hold() -> None:
    labelled = [("volume", "v", "v"), ("network", "n", "1"), ("container", "b", "2"), ("container", "a", "3")]
    assert strays(labelled, STATE) == [("container", "a"), ("container", "b"), ("network", "n"), ("volume", "v")]


def test_with_no_state_all_is_stray() -> None:
    assert strays([("network", "n", "c0ffee")], {}) == [("network", "n")]


def test_a_state_cut_short_is_restored_from_its_last_whole_copy(tmp_path: Path) -> None:
    state = tmp_path / ".pulumi" / "stacks" / "edgedrop" / "lab.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"version": 3, "chec')
    state.with_name("lab.json.bak").write_text('{"version": 3}')
    assert cut_short(state)
    restore(state)
    assert state.read_text() == '{"version": 3}'


def test_a_state_cut_short_at_its_first_write_is_no_stack(tmp_path: Path) -> None:
    state = tmp_path / ".pulumi" / "stacks" / "edgedrop" / "lab.json"
    state.parent.mkdir(parents=True)
    state.write_text("")
    restore(state)
    assert not state.exists()


def test_no_state_is_not_a_cut_one(tmp_path: Path) -> None:
    assert not cut_short(tmp_path / "lab.json")
