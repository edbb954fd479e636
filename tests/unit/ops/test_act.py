"""`edgedrop act` on a machine with no chain: words, signatures, copies, and what is no act or was changed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest
from eth_account import Account

from node_image.protocol import collected as collecting
from node_image.protocol.acts import Freeze, Holder, Revoke
from node_image.protocol.collected import Collected
from tests.typed import edgedrop

KEYS = ["0x" + f"e{number}" * 32 for number in range(3)]
ACCOUNTS = [Account.from_key(key).address for key in KEYS]
MADE = Collected(1, 31337, "0x" + "44" * 20, Revoke("0x" + "22" * 32, "7", int(time.time()) + 3600))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "act.json"
    path.write_bytes(collecting.dump(MADE))
    return path


def key_file(folder: Path, number: int) -> Path:
    path = folder / f"h{number}.key"
    path.write_text(KEYS[number])
    path.chmod(0o600)
    return path


def test_it_is_told_in_plain_words_with_what_was_not_looked_at(file: Path) -> None:
    shown = edgedrop("act", "show", file).good().out
    assert f"Revoke grant {MADE.act.grant_id} for good" in shown
    assert "signed by nobody" in shown
    assert "not looked at: the chain" in shown
    told = edgedrop("act", "show", file, "--json").good().told
    assert (told["missing"], told["state"], told["signed"]) == (2, "waits for 2 more signatures", [])


@pytest.mark.parametrize("order", [(0, 1), (1, 2), (2, 0)], ids=str)
def test_two_sign_one_after_the_other(file: Path, tmp_path: Path, order: tuple[int, int]) -> None:
    for number in order:
        edgedrop("act", "sign", file, "--key", key_file(tmp_path, number), "--yes").good()
    told = edgedrop("act", "show", file, "--json").good().told
    assert (told["signed"], told["state"]) == ([ACCOUNTS[number] for number in order], "ready to submit")
    edgedrop("act", "submit", file, "--yes").bad(2, "the chain is not known here", "--rpc")


def test_nobody_signs_unasked(file: Path, tmp_path: Path) -> None:
    told = file.read_bytes()
    edgedrop("act", "sign", file, "--key", key_file(tmp_path, 0)).bad(2, "nobody is there to ask", "--yes")
    assert file.read_bytes() == told


def test_a_contract_holders_signature_is_taken_as_it_is(file: Path) -> None:
    sign = ("act", "sign", file, "--signature", "0x1234", "--yes")
    edgedrop(*sign, "--holder", "0x12").bad(2, "no address")
    edgedrop(*sign, "--holder", ACCOUNTS[0].lower()).good()
    assert edgedrop("act", "show", file, "--json").good().told["signed"] == [ACCOUNTS[0]]


def test_what_was_changed_or_is_over_is_not_signed(file: Path, tmp_path: Path) -> None:
    signed = collecting.dump(collecting.sign(MADE, KEYS[0], [Holder(ACCOUNTS[0])]))
    sign = ("act", "sign", file, "--key", key_file(tmp_path, 1), "--yes")
    for name, value in (("grant_id", "0x" + "23" * 32), ("deadline", MADE.act.deadline + 1), ("nonce", "8")):
        told = json.loads(signed)
        told["act"][name] = value
        file.write_text(json.dumps(told))
        edgedrop(*sign).bad(6, "a signature in the file is not good", "somebody changed it")
    over = msgspec.structs.replace(MADE, act=msgspec.structs.replace(MADE.act, deadline=1))
    file.write_bytes(collecting.dump(over))
    edgedrop(*sign).bad(6, "was valid until 1970")
    assert edgedrop("act", "show", file, "--json").good().told["state"] == "expired"


def test_copies_of_different_acts_are_not_put_together(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    frozen = Freeze(MADE.act.grant_id, MADE.act.nonce, MADE.act.deadline)
    other.write_bytes(collecting.dump(msgspec.structs.replace(MADE, act=frozen)))
    edgedrop("act", "show", file, other).bad(6, "other.json is another act than act.json")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no act of the holders"),
        ("{}", "no act of the holders"),
        (collecting.dump(MADE).decode().replace("Revoke", "Steal"), "no act of the holders"),
        (collecting.dump(MADE).decode().replace("0x" + "22" * 32, "0x22"), "grantId of the act is no bytes32"),
        (collecting.dump(MADE).decode().replace('"7"', '"-7"'), "nonce of the act is no uint256"),
        (
            collecting.dump(MADE).decode().replace("0x" + "44" * 20, "there"),
            "verifyingContract of the act is no address",
        ),
    ],
)
def test_what_is_no_act_is_2(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    edgedrop("act", "show", file).bad(2, says)
