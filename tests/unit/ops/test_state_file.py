"""Half a state file, as a SIGKILL leaves it, is put back from its last whole copy."""

from pathlib import Path

import pytest

from infra.ops.state_file import checkpoint, cut_short, half_twins, half_written, restore


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


def test_half_a_twin_is_found_in_any_stack_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    for stack, twin in (("lab", '{"user.content_type": "x"}'), ("lights", "")):
        checkpoint(stack).parent.mkdir(parents=True, exist_ok=True)
        checkpoint(stack).write_text("{}")
        checkpoint(stack).with_name(f"{stack}.json.attrs").write_text(twin)
    assert [path.name for path in half_twins()] == ["lights.json.attrs"]
    assert half_written() == ["lights"]
    assert half_written("lights.quay.elastic") == [], "the hub's backend is another one"
