"""Our precomputed hashing says what eth-account, an independent library, said when the vectors were made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node_image.protocol import acts, eip712, merkle, voucher
from node_image.protocol.claim import Claim, not_the_wallets
from node_image.protocol.errors import NotVerified
from node_image.protocol.signature import recover

FOLDER = Path(__file__).parents[2] / "vectors"
VECTORS = json.loads((FOLDER / "voucher.json").read_text())
RECEIVES = json.loads((FOLDER / "receive.json").read_text())


def b(text: str) -> bytes:
    """Bytes of 0x hex."""
    return bytes.fromhex(text[2:])


@pytest.mark.parametrize("vector", VECTORS["vouchers"], ids=lambda vector: str(vector["name"]))
def test_leaf_batch_and_signature(vector: dict[str, Any]) -> None:
    made = msgspec.convert(vector["voucher"], voucher.Voucher)
    assert voucher.leaf_of(made.voucher).struct_hash() == b(vector["leaf"])
    batch = voucher.batch_of(made.batch)
    domain = eip712.Domain(made.chain_id, b(made.contract))
    assert eip712.digest(domain.separator, batch.struct_hash()) == b(vector["digest"])
    voucher.verify(made, vector["key"])


@pytest.mark.parametrize("vector", VECTORS["claims"], ids=lambda vector: str(vector["drop"]))
def test_claim_digest(vector: dict[str, Any]) -> None:
    domain = eip712.Domain(vector["chain_id"], b(vector["contract"]))
    hashed = eip712.claim_hash(vector["claim_id"])
    struct = eip712.claim_struct_hash(vector["drop"], vector["tier"], vector["slot"], hashed)
    assert eip712.digest(domain.separator, struct) == b(vector["digest"])


@pytest.mark.parametrize("vector", VECTORS["key_claims"], ids=lambda vector: str(vector["drop"]))
def test_a_claim_keys_claim(vector: dict[str, Any]) -> None:
    separator, key = eip712.Domain(vector["chain_id"], b(vector["contract"])).separator, b(vector["key"])
    struct = eip712.key_claim_struct_hash(vector["drop"], vector["tier"], eip712.claim_hash(vector["claim_id"]))
    assert eip712.digest(separator, struct) == b(vector["digest"])
    asked = Claim(vector["claim_id"], vector["tier"], bytes(20), 0, b(vector["signature"]), key)
    assert not_the_wallets(vector["drop"], separator, asked) == ""


@pytest.mark.parametrize("vector", RECEIVES, ids=lambda vector: str(vector["receiver"]))
def test_whom_a_claim_key_names(vector: dict[str, Any]) -> None:
    domain = eip712.Domain(vector["chain_id"], b(vector["contract"]))
    struct = acts.receive_hash(b(vector["leaf_hash"]), b(vector["receiver"]))
    assert struct == b(vector["struct_hash"])
    hashed = eip712.digest(domain.separator, struct)
    assert (hashed, recover(hashed, b(vector["signature"]))) == (b(vector["digest"]), b(vector["key"]))


@pytest.mark.parametrize("field", ["signature", "root", "proof", "to", "seq"])
def test_one_changed_field_does_not_verify(field: str) -> None:
    vector = next(vector for vector in VECTORS["vouchers"] if vector["voucher"]["proof"])
    told = json.loads(json.dumps(vector["voucher"]))
    match field:
        case "signature":
            told["signature"] = "0x" + "11" * 64 + "1b"
        case "root":
            told["batch"]["root"] = "0x" + "11" * 32
        case "proof":
            told["proof"] = told["proof"][:-1]
        case "to":
            told["voucher"]["to"] = "0x" + "99" * 20
        case "seq":
            told["voucher"]["seq"] += 1
    with pytest.raises(NotVerified):
        voucher.verify(msgspec.convert(told, voucher.Voucher), vector["key"])


@pytest.mark.parametrize("vector", json.loads((FOLDER / "merkle.json").read_text()), ids=lambda one: str(one["size"]))
def test_merkle_roots_and_proofs(vector: dict[str, Any]) -> None:
    levels = merkle.tree([eip712.keccak(index.to_bytes(32)) for index in range(vector["size"])])
    assert levels[-1][0] == b(vector["root"])
    for told in vector["proofs"]:
        siblings = [b(sibling) for sibling in told["proof"]]
        assert merkle.proof(levels, told["index"]) == siblings
        assert merkle.climb(b(told["leaf"]), siblings) == b(vector["root"])


@pytest.mark.parametrize("vector", json.loads((FOLDER / "act.json").read_text()), ids=lambda one: str(one["type"]))
def test_what_holders_sign(vector: dict[str, Any]) -> None:
    domain = eip712.Domain(vector["chain_id"], b(vector["contract"]))
    hashed = eip712.digest(domain.separator, _struct_hash(vector["type"], vector["message"]))
    assert hashed == b(vector["digest"])
    assert "0x" + recover(hashed, b(vector["signature"])).hex() == vector["key"].lower()


def _struct_hash(name: str, message: dict[str, Any]) -> bytes:
    if name == "CloseOut":
        return acts.close_out_hash(b(message["grantId"]), message["highSeqs"])
    told = {_snake(key): value for key, value in message.items()} | {"act": name}
    if leases := told.get("leases"):
        told["leases"] = [{_snake(key): value for key, value in lease.items()} for lease in leases]
    made: acts.Act = msgspec.convert(told, acts.Act)
    return made.struct_hash()


def _snake(name: str) -> str:
    return re.sub("([A-Z])", lambda found: "_" + found[1].lower(), name)
