"""Half a state file, as a SIGKILL leaves it, is put back from its last whole copy."""

from pathlib import Path

from infra.ops.state_file import cut_short, restore


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
