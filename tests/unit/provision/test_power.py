"""Power by Redfish, against sushy-tools' emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import BadUsage, NotVerified, Unreachable
from infra.provision import power
from tests.redfish import USER, board


def test_a_box_that_hangs_is_off_and_on_again(tmp_path: Path) -> None:
    with board(tmp_path, "On") as found:
        mine = power.bmc(found.url, USER, found.password_file)
        assert power.state(mine) == "on"
        power.cycle(mine)
        assert power.state(mine) == "on"


def test_another_password_is_told_as_that(tmp_path: Path) -> None:
    with board(tmp_path) as found:
        found.password_file.write_text("another")
        with pytest.raises(NotVerified, match="does not let field in"):
            power.state(power.bmc(found.url, USER, found.password_file))


def test_a_board_that_is_away_is_told_as_that(tmp_path: Path) -> None:
    file = tmp_path / "bmc.password"
    file.write_text("x")
    file.chmod(0o600)
    with pytest.raises(Unreachable, match=r"the board at http://127\.0\.0\.1:1"):
        power.state(power.bmc("http://127.0.0.1:1", USER, file))


def test_a_password_lies_in_a_file_of_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    file = tmp_path / "keys" / "bmc.password"
    file.parent.mkdir()
    with pytest.raises(BadUsage, match="no password can be read"):
        power.bmc("http://b", USER, Path("bmc.password"))
    file.write_text("secret\n")
    file.chmod(0o644)
    with pytest.raises(BadUsage, match="may be read by others"):
        power.bmc("http://b", USER, Path("bmc.password"))
    file.chmod(0o600)
    mine = power.bmc("http://b", USER, Path("bmc.password"))
    assert (mine.password, "secret" in repr(mine)) == ("secret", False)
    file.write_text("\n")
    with pytest.raises(BadUsage, match="is empty"):
        power.bmc("http://b", USER, file)
