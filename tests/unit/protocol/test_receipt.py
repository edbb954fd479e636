"""The receipt in both forms, and the audit of it, as an independent library made them (tests/vectors/receipt.json)."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import pytest

from node_image.protocol import manifest, receipt
from node_image.protocol.audit import ChainSaid, Known, audit
from node_image.protocol.errors import NoReceipt, NotVerified, ProtocolError
from node_image.protocol.receipt import Receipt
from node_image.protocol.voucher import Voucher

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "receipt.json").read_text())
ASSET = bytes.fromhex(VECTORS["asset"][2:])
FULL, UNSEEN, JUST, KEYED = VECTORS["receipts"]
STEPS = [
    "leaf",
    "key",
    "lease",
    "price",
    "manifest",
    "asset",
    "signed at",
    "anchor",
    "timestamp",
    "grant",
    "redeemed",
    "contract",
]


def chain(vector: dict[str, Any], **changes: object) -> ChainSaid:
    """What the chain says."""
    return msgspec.convert(vector["chain"] | changes, ChainSaid)


def full() -> Receipt:
    """With all sections."""
    return msgspec.convert(FULL["receipt"], Receipt)


@pytest.mark.parametrize("vector", VECTORS["receipts"], ids=lambda vector: str(vector["name"]))
def test_both_forms_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    compact = bytes.fromhex(vector["compact"])
    found = receipt.read(json.dumps(vector["receipt"]).encode())
    assert isinstance(found, Receipt)
    assert receipt.to_cbor(found) == compact
    assert receipt.read(compact) == found
    assert json.loads(receipt.to_json(found)) == vector["receipt"]
    assert receipt.sizes(found)["total"] == len(compact) == sum(receipt.sizes(found).values()) - len(compact)


def test_one_for_a_claim_key_names_the_key() -> None:
    made = receipt.from_cbor(bytes.fromhex(KEYED["compact"])).voucher.voucher
    assert (made.claim_key, int(made.to, 16)) == (KEYED["receipt"]["voucher"]["voucher"]["claimKey"], 0)


@pytest.mark.parametrize("vector", VECTORS["receipts"], ids=lambda vector: str(vector["name"]))
def test_a_receipt_is_followed_to_the_chain(vector: dict[str, Any]) -> None:
    found = receipt.from_cbor(bytes.fromhex(vector["compact"]))
    steps = audit(found, Known(chain=chain(vector)))
    assert [step.name for step in steps] == STEPS
    left = {step.name for step in steps if not step.checked}
    expected = {"just claimed": {"manifest", "anchor"}}
    assert left == {"asset", "timestamp", "contract"} | expected.get(vector["name"], set())


def test_it_says_anchored_or_not_yet() -> None:
    for vector, says in ((FULL, "anchored: "), (UNSEEN, "anchored: "), (JUST, "not yet anchored")):
        found = receipt.from_cbor(bytes.fromhex(vector["compact"]))
        told = next(step.told for step in audit(found, Known(chain=chain(vector))) if step.name == "anchor")
        assert told.startswith(says)


def test_offline_it_says_what_was_not_checked() -> None:
    steps = {step.name: step for step in audit(full(), Known(key=FULL["chain"]["key"], asset=ASSET))}
    assert {name for name, step in steps.items() if step.checked} == {"leaf", "key", "signed at", "asset"}
    assert "not asked" in steps["asset"].told
    assert "no chain" in steps["lease"].told


def test_the_file_is_held_against_the_manifest() -> None:
    told = {step.name: step.told for step in audit(full(), Known(chain=chain(FULL), asset=ASSET))}
    assert "byte for byte" in told["asset"]
    with pytest.raises(NotVerified, match="not the one that the manifest names"):
        audit(full(), Known(chain=chain(FULL), asset=b"another"))
    with pytest.raises(NotVerified, match="no entry"):
        audit(receipt.from_cbor(bytes.fromhex(JUST["compact"])), Known(chain=chain(JUST), asset=ASSET))


@pytest.mark.parametrize("change", VECTORS["broken"], ids=lambda change: str(change["path"]))
def test_one_changed_field_is_refused(change: dict[str, Any]) -> None:
    told = deepcopy(FULL["receipt"])
    *way, last = change["path"].split(".")
    at = told
    for name in way:
        at = at[name]
    at[last] = change["value"]
    with pytest.raises(ProtocolError):
        audit(receipt.read(json.dumps(told).encode()), Known(chain=chain(FULL)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": None}, "no such grant"),
        ({"key": "0x" + "11" * 20}, "not by the grant's key"),
        ({"chain_id": 1}, "is of chain 1"),
        ({"lease": {**FULL["chain"]["lease"], "quota": 1}}, "not in the grant's lease"),
        ({"lease": {**FULL["chain"]["lease"], "redeemBy": 1_790_500_000}}, "not the one that the receipt names"),
        ({"price_wei": 4_999_999}, "the price on chain is not"),
        ({"currency": "0x" + "11" * 20}, "the price on chain is not"),
        ({"currency": None}, "the price on chain is not"),
        ({"manifest_digest": "0x" + "11" * 32}, "not in the manifest"),
        ({"manifest_digest": None}, "not in the manifest"),
        ({"issued": False}, "its checkpoint is not on chain"),
        ({"owner": None}, "not minted"),
        ({"tx_redeems": False}, "did not redeem"),
    ],
)
def test_what_the_chain_does_not_bear_out(changes: dict[str, object], says: str) -> None:
    with pytest.raises(NotVerified, match=says):
        audit(full(), Known(chain=chain(FULL, **changes)))


def test_it_says_what_redeeming_takes_in_what() -> None:
    told = {name: chain(FULL, **more) for name, more in (("coin", {}), ("ether", {"currency": None}))}
    words = {name: audit(paid_in(said.currency), Known(chain=said))[3].told for name, said in told.items()}
    assert words["coin"].endswith(f"5000000 of the smallest unit of the ERC-20 {FULL['chain']['currency']}")
    assert words["ether"].endswith("redeemed for 0.000000000005 ETH")
    just = receipt.from_cbor(bytes.fromhex(JUST["compact"]))
    assert audit(just, Known(chain=chain(JUST)))[3].told == "on chain its tier is free"


def paid_in(currency: str | None) -> Receipt:
    """The full one, priced in something else."""
    return msgspec.structs.replace(full(), voucher=msgspec.structs.replace(full().voucher, currency=currency))


def test_a_close_out_cuts_the_lease_and_not_the_receipt() -> None:
    lease = {**FULL["chain"]["lease"], "quota": full().lease.quota - 1}
    assert audit(full(), Known(chain=chain(FULL, lease=lease, grant="closed")))
    with pytest.raises(NotVerified, match="not the one that the receipt names"):
        audit(full(), Known(chain=chain(FULL, lease=lease)))


@pytest.mark.parametrize("state", ["frozen", "revoked"])
def test_a_suspected_grant_is_no_fault_of_the_buyers(state: str) -> None:
    by_anchor = chain(UNSEEN, grant=state, owner=None)
    told = {step.name: step.told for step in audit(without_tx(), Known(chain=by_anchor))}
    assert "all the same" in told["grant"]
    just = receipt.from_cbor(bytes.fromhex(JUST["compact"]))
    told = {step.name: step.told for step in audit(just, Known(chain=chain(JUST, grant=state)))}
    assert "pending" in told["grant"]


def without_tx() -> Receipt:
    """Not redeemed yet."""
    return msgspec.structs.replace(receipt.from_cbor(bytes.fromhex(UNSEEN["compact"])), tx=None)


def test_a_signature_outside_the_leases_time_is_refused() -> None:
    found = msgspec.convert(FULL["receipt"] | {"lease": FULL["chain"]["lease"] | {"redeemBy": 1_790_000_000}}, Receipt)
    with pytest.raises(NotVerified, match="outside the lease's time"):
        audit(found, Known(key=FULL["chain"]["key"]))


def test_a_bare_voucher_is_followed_as_far_as_it_goes() -> None:
    found = receipt.read(json.dumps(FULL["receipt"]["voucher"]).encode())
    assert isinstance(found, Voucher)
    left = {step.name for step in audit(found, Known(chain=chain(FULL))) if not step.checked}
    assert left == {"manifest", "asset", "anchor", "timestamp", "contract"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"{",
        b"no receipt",
        b"\xff\x00",
        cbor2.dumps({0: 1}),
        cbor2.dumps([1, 2]),
        cbor2.dumps(cbor2.loads(bytes.fromhex(FULL["compact"])) | {0: 2}),
        cbor2.dumps(cbor2.loads(bytes.fromhex(FULL["compact"])) | {9: b"\x00"}, canonical=True),
        cbor2.dumps(cbor2.loads(bytes.fromhex(FULL["compact"])) | {99: 0}, canonical=True),
        b"\xbf" + bytes.fromhex(FULL["compact"])[1:] + b"\xff",
        bytes.fromhex(FULL["compact"]) + b"\x00",
        json.dumps(FULL["receipt"] | {"schema": 2}).encode(),
        json.dumps(FULL["receipt"] | {"extra": 2}).encode(),
    ],
)
def test_what_is_no_receipt_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(NoReceipt):
        receipt.read(data)


def test_a_compact_receipt_is_small() -> None:
    core = receipt.sizes(full())["core"]
    six = core + 32 * (6 - len(full().voucher.proof)) + 34
    assert six < 600, "depth 6, with the transaction"


def test_every_token_has_its_proof_in_the_manifest() -> None:
    made = manifest.build("lights", [manifest.Token(i, "print", f"{i}", f"{i}.png", "11" * 32) for i in range(7)])
    proofs = manifest.memberships(made)
    assert {proof.digest("lights") for proof in proofs.values()} == {manifest.digest(made.payload())}
    assert proofs[3].digest("other") != manifest.digest(made.payload())
    assert sorted(proofs) == list(range(7))


def test_a_manifest_of_another_schema_or_of_nothing_is_refused() -> None:
    token = {"token_id": 1, "tier": "print", "name": "1", "asset": "1.png", "sha256": "11" * 32}
    for told in ({"schema": 1, "tokens": [token]}, {"schema": 2, "tokens": []}, {"schema": 2}):
        with pytest.raises(NotVerified):
            manifest.digest(json.dumps({"drop": "lights", **told}).encode())
