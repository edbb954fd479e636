"""An act as a file: shown, signed in any order, put together, refused where it is not what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from node_image.hub.chain import Status
from tests.e2e.acts.here import Here, signed_by
from tests.e2e.contract_world import (
    HOLDERS,
    account,
)
from tests.typed import edgedrop

pytestmark = pytest.mark.e2e


@pytest.fixture
def act(here: Here, tmp_path: Path) -> tuple[str, Path]:
    """A revocation that nobody has signed, and its grant."""
    grant, file = here.grant(), tmp_path / "act.json"
    here.type("revoke", grant, "--out", file).good()
    return grant, file


@pytest.mark.parametrize("order", [(0, 1), (2, 0)], ids=str)
def test_a_file_goes_round_and_each_sees_what_it_says(
    here: Here, keys: list[Path], act: tuple[str, Path], order: tuple[int, int]
) -> None:
    grant, file = act
    offline = edgedrop("act", "sign", file, "--key", keys[order[0]], "--yes").good()
    assert f"Revoke grant {grant} for good" in offline.err
    assert "not looked at: whether the signers are holders" in offline.err
    shown = edgedrop("act", "show", file, "--rpc", here.url).good()
    assert f"signed by {account(HOLDERS[order[0]])}; 1 more of" in shown.out
    edgedrop("act", "sign", file, "--key", keys[order[1]], "--rpc", here.url, "--yes").good()
    assert edgedrop("act", "show", file, "--rpc", here.url, "--json").good().told["state"] == "ready to submit"
    submit = ("act", "submit", file, "--rpc", here.url, "--pay", keys[3], "--yes", "--json")
    assert edgedrop(*submit).good().told["now"]["status"] == "revoked"
    assert edgedrop(*submit).good().told["already"]
    assert edgedrop("act", "show", file, "--rpc", here.url, "--json").good().told["state"] == "done"


def test_a_wallet_signs_the_typed_data_and_copies_are_put_together(
    here: Here, keys: list[Path], act: tuple[str, Path], tmp_path: Path
) -> None:
    grant, file = act
    copy = tmp_path / "copy.json"
    copy.write_bytes(file.read_bytes())
    shown = edgedrop("act", "show", file, "--typed-data").good().told
    by_wallet = Account.sign_typed_data(HOLDERS[2], full_message=shown).signature.to_0x_hex()
    edgedrop("act", "sign", file, "--signature", by_wallet, "--rpc", here.url, "--yes").good()
    edgedrop("act", "sign", copy, "--key", keys[0], "--rpc", here.url, "--yes").good()
    edgedrop("act", "submit", file, copy, "--rpc", here.url, "--pay", keys[3], "--yes").good()
    assert here.status(grant) is Status.REVOKED


def _edit(file: Path, **fields: Any) -> None:
    told = json.loads(file.read_text())
    for path, value in fields.items():
        (told["act"] if path in told["act"] else told)[path] = value
    file.write_text(json.dumps(told))


def test_what_a_signer_must_not_sign(here: Here, keys: list[Path], act: tuple[str, Path]) -> None:
    _, file = act
    sign = ("act", "sign", file, "--rpc", here.url, "--yes")
    edgedrop(*sign).bad(2, "--key or --signature")
    edgedrop(*sign, "--key", keys[3]).bad(6, "none of the holders")
    edgedrop(*sign, "--signature", "0x12").bad(6, "65 bytes")
    edgedrop(*sign, "--signature", "12").bad(2, "hex digits")
    edgedrop(*sign, "--key", keys[0]).good()
    edgedrop(*sign, "--key", keys[0]).bad(2, "signed it already", "two people")
    told = file.read_bytes()
    _edit(file, grant_id="0x" + "66" * 32)
    edgedrop(*sign, "--key", keys[1]).bad(6, "not good", "changed it")
    edgedrop("act", "show", file, "--rpc", here.url).bad(6, "not good", "changed it")
    file.write_bytes(told)
    _edit(file, chain_id=1)
    edgedrop(*sign, "--key", keys[1]).bad(2, "for chain 1")
    file.write_bytes(told)
    _edit(file, contract="0x" + "44" * 20)
    edgedrop(*sign, "--key", keys[1]).bad(6, "no contract stands at")
    file.write_bytes(told)
    _edit(file, deadline=1)
    edgedrop(*sign, "--key", keys[1]).bad(6, "was valid until 1970")
    file.write_text("{}")
    edgedrop(*sign, "--key", keys[1]).bad(2, "no act of the holders")
    edgedrop("act", "show", file.with_name("none")).bad(2, "give the act's file")


def test_an_act_that_is_over_or_whose_nonce_was_used_is_not_submitted(
    here: Here, keys: list[Path], tmp_path: Path
) -> None:
    grant, file = here.grant(), tmp_path / "act.json"
    submit = ("act", "submit", file, "--rpc", here.url, "--pay", keys[3], "--yes")
    here.type("freeze", grant, *signed_by(keys, 0), "--yes").good()
    here.type("unfreeze", grant, "--out", file, *signed_by(keys, 0, 1), "--yes").good()
    edgedrop(*submit).good()
    here.type("freeze", grant, *signed_by(keys, 0), "--yes").good()
    edgedrop(*submit).bad(6, "has used nonce", "fresh nonce")
    assert edgedrop("act", "show", file, "--rpc", here.url, "--json").good().told["state"] == "nonce used"
    file.unlink()
    here.type("unfreeze", grant, "--out", file, *signed_by(keys, 0, 1), "--hours", "0.1", "--yes").good()
    provider = Web3(HTTPProvider(here.url)).provider
    snapshot = provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
    provider.make_request(RPCEndpoint("evm_increaseTime"), [7200])
    provider.make_request(RPCEndpoint("evm_mine"), [])
    edgedrop(*submit).bad(6, "was valid until", "made anew")
    assert edgedrop("act", "show", file, "--rpc", here.url, "--json").good().told["state"] == "expired"
    provider.make_request(RPCEndpoint("evm_revert"), [snapshot])
