"""Key files of holders: what is no key, what others may read and what is none of the holders' ends with 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account import Account

from infra import keys
from infra.errors import BadUsage
from infra.ops.holder_keys import address, holders_here, read_key
from node_image.protocol.acts import Holder

KEYS = ["0x" + f"e{number}" * 32 for number in range(3)]
HOLDERS = [Holder(Account.from_key(key).address) for key in KEYS]


def file_of(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / f"{abs(hash(text))}.key"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("text", [KEYS[0], KEYS[0][2:], KEYS[0] + "\n"])
def test_a_key_is_read(tmp_path: Path, text: str) -> None:
    assert address(read_key(file_of(tmp_path, text))) == HOLDERS[0].address


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BadUsage, match="read by others") as refused:
        read_key(file_of(tmp_path, KEYS[0], mode))
    assert refused.value.hint.startswith("type: chmod 600 ")


@pytest.mark.parametrize("text", ["", "0x12", "hello", "0x" + "00" * 32, "0x" + "ff" * 32])
def test_what_is_no_key_is_refused_and_never_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadUsage, match="holds no key") as refused:
        read_key(file_of(tmp_path, text))
    assert not text or text not in str(refused.value)


def test_no_file_is_2(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="no key can be read"):
        read_key(tmp_path / "none")


def test_named_keys_must_be_holders_and_different_ones(tmp_path: Path) -> None:
    one, other = (file_of(tmp_path, key) for key in KEYS[:2])
    assert list(holders_here([other, one], HOLDERS)) == [HOLDERS[1].address, HOLDERS[0].address]
    with pytest.raises(BadUsage, match="given twice"):
        holders_here([one, one], HOLDERS)
    with pytest.raises(BadUsage, match="none of the holders"):
        holders_here([one, file_of(tmp_path, "0x" + "33" * 32)], HOLDERS)


def test_a_contract_holder_has_no_key(tmp_path: Path) -> None:
    contract = [Holder(HOLDERS[0].address, "erc1271"), *HOLDERS[1:]]
    with pytest.raises(BadUsage, match="none of the holders"):
        holders_here([file_of(tmp_path, KEYS[0])], contract)


def test_this_machines_own_count_only_for_a_drop_that_has_them() -> None:
    assert holders_here([], HOLDERS) == {}
    own = [Holder(one) for one in keys.holder_addresses()]
    assert set(holders_here([], own)) == {one.address for one in own}
    assert holders_here([], HOLDERS) == {}
