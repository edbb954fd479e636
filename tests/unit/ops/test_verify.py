"""`edgedrop verify`: a good receipt or voucher says what was checked; anything else ends with its own exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from infra.errors import BadUsage, FaultyFile, NotVerified, Unreachable
from infra.home import ROOT
from infra.ops.verify import verify
from node_image.protocol import receipt
from node_image.protocol.receipt import Receipt
from tests.tsa import Tsa

VECTORS = json.loads((ROOT / "tests" / "vectors" / "receipt.json").read_text())
FULL = VECTORS["receipts"][0]
KEY = FULL["chain"]["key"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The receipt, as a buyer has it."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(FULL["receipt"]))
    return path


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The answer for machines, with the steps by name."""
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told | {"steps": {step["name"]: step for step in told["steps"]}}


def test_offline_it_says_what_it_could_not_check(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(file, key=KEY, as_json=True)
    told = said(capsys)
    assert (told["verified"], told["token_id"], told["status"]) == (True, "103", "anchored")
    assert told["path"] == FULL["receipt"]["path"]
    assert [name for name, step in told["steps"].items() if step["checked"]] == ["leaf", "key", "signed at"]
    assert all(step["told"] for step in told["steps"].values())


def test_the_compact_form_and_the_bare_voucher_are_read_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(bytes.fromhex(FULL["compact"]))
    verify(file, key=KEY, as_json=True)
    assert said(capsys)["token_id"] == "103"
    file.write_text(json.dumps(FULL["receipt"]["voucher"]))
    verify(file, key=KEY)
    words = capsys.readouterr().out
    assert "good" in words
    assert "path:" not in words


def test_people_are_told_that_a_signature_is_no_name(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(file, key=KEY)
    words = capsys.readouterr().out
    assert f"path: {FULL['receipt']['path']}" in words
    assert "the signature's bytes are not" in words


def test_the_artists_file_is_held_against_the_entry(file: Path, tmp_path: Path) -> None:
    asset = tmp_path / "picture.png"
    asset.write_bytes(bytes.fromhex(VECTORS["asset"][2:]))
    verify(file, key=KEY, asset=asset)
    asset.write_bytes(b"another")
    with pytest.raises(NotVerified, match="not the one that the manifest names"):
        verify(file, key=KEY, asset=asset)


def test_the_timestamp_is_believed_under_the_authority_that_was_named(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsa, stranger = authority(tmp_path / "tsa"), authority(tmp_path / "stranger")
    stamped = stamp(msgspec.convert(FULL["receipt"], Receipt), tsa)
    file.write_bytes(receipt.to_cbor(stamped))
    verify(file, key=KEY, tsa_ca=tsa.folder / "ca.pem", as_json=True)
    assert said(capsys)["steps"]["timestamp"]["checked"]
    verify(file, key=KEY, as_json=True)
    assert not said(capsys)["steps"]["timestamp"]["checked"]
    with pytest.raises(NotVerified, match="timestamp"):
        verify(file, key=KEY, tsa_ca=stranger.folder / "ca.pem")
    file.write_bytes(receipt.to_json(stamped))
    verify(file, key=KEY, tsa_ca=tsa.folder / "ca.pem", as_json=True)
    assert said(capsys)["steps"]["timestamp"]["checked"]


def authority(folder: Path) -> Tsa:
    """One of its own."""
    folder.mkdir()
    made = Tsa(folder)
    made.make()
    return made


def stamp(made: Receipt, tsa: Tsa) -> Receipt:
    """With a reply over its checkpoint's root."""
    assert made.anchor is not None
    root = bytes.fromhex(made.anchor.root[2:])
    query = TimestampRequestBuilder(root, HashAlgorithm.SHA256).build().as_bytes()
    anchor = msgspec.structs.replace(made.anchor, timestamp=tsa.reply(query))
    return msgspec.structs.replace(made, anchor=anchor)


def test_another_key_is_6(file: Path) -> None:
    with pytest.raises(NotVerified, match="not by the grant's key") as refused:
        verify(file, key="0x" + "11" * 20)
    assert refused.value.exit_code == 6


def test_a_receipt_that_contradicts_itself_is_6(file: Path) -> None:
    file.write_text(json.dumps(FULL["receipt"] | {"epoch": 2}))
    with pytest.raises(NotVerified, match="grant"):
        verify(file, key=KEY)


@pytest.mark.parametrize("data", [b"{}", b"", b"\x00\x01", b"a picture"])
def test_no_receipt_is_2(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(FaultyFile):
        verify(file, key=KEY)


def test_a_chain_that_does_not_answer_is_5(file: Path) -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        verify(file, rpc="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("rpc", "key"),
    [(None, None), (None, "0x12"), (None, "not a key"), (None, KEY.swapcase()), ("http://x", KEY)],
)
def test_what_is_asked_wrongly_is_2(file: Path, rpc: str | None, key: str | None) -> None:
    with pytest.raises(BadUsage):
        verify(file, rpc=rpc, key=key)


@pytest.mark.parametrize("option", ["file", "asset", "tsa_ca"])
def test_a_file_that_is_not_there_is_2(file: Path, tmp_path: Path, option: str) -> None:
    with pytest.raises(BadUsage, match="No such file"):
        verify(**({"file": file, "key": KEY} | {option: tmp_path / "nowhere"}))
