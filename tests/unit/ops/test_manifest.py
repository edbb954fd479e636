"""`edgedrop manifest`: signed once, checked against the files, and signed again when anything it stands on changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra import keys
from infra.errors import NotVerified
from infra.home import home
from infra.ops.drops import DROPS, open_drop
from infra.ops.manifest import make_content, sign, verify_manifest


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of Harbour Lights, and a state folder of its own."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    shutil.copytree(DROPS, tmp_path / "drops")
    return tmp_path / "drops" / "harbour-lights.yaml"


def written() -> dict[str, bytes]:
    """What lies in the drop's folder."""
    return {path.name: path.read_bytes() for path in (home() / "drops" / "harbour-lights").iterdir()}


def test_signed_once_and_verified(drop: Path) -> None:
    sign(str(drop))
    before = written()
    sign(str(drop))
    assert written() == before
    assert set(before) == {"manifest.json", "manifest.dsse.json", "content.zip", "digest"}
    verify_manifest(str(drop))


def test_an_asset_that_changed_is_named_with_6(drop: Path) -> None:
    sign(str(drop))
    (drop.parent / "harbour-lights" / "print" / "print-07.png").write_bytes(b"another picture")
    with pytest.raises(NotVerified, match=r"print-07\.png") as refused:
        verify_manifest(str(drop))
    assert refused.value.exit_code == 6
    sign(str(drop))
    verify_manifest(str(drop))


@pytest.mark.parametrize("lost", ["keys/owner.pem", "drops/harbour-lights/content.zip"])
def test_what_was_lost_is_signed_again(drop: Path, lost: str) -> None:
    sign(str(drop))
    (home() / lost).unlink()
    make_content(*open_drop(str(drop)))
    verify_manifest(str(drop))


def test_not_signed_yet_is_said(drop: Path) -> None:
    with pytest.raises(NotVerified, match="not signed yet"):
        verify_manifest(str(drop))


def test_keys_are_made_once_and_nobody_else_reads_them(drop: Path) -> None:
    assert drop.exists()
    assert keys.operator_address() == keys.operator_address() != keys.relayer_address()
    assert (keys.bus_secret(), keys.db_secret(), keys.owner_pem()) == (
        keys.bus_secret(),
        keys.db_secret(),
        keys.owner_pem(),
    )
    sign(str(drop))
    for path in (home(), *home().rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    assert len(list((home() / "keys").iterdir())) == 5
