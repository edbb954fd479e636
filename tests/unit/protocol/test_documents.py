"""Manifest, lease and voucher: signed, read back, and refused when anything in them was changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node_image.protocol import announcement, dsse, facts, lease, manifest, voucher
from node_image.protocol.errors import NotVerified
from node_image.protocol.manifest import Token
from tests.unit.protocol.world import FACTS, LEASE_KEY, LEASES, address, grown

OWNER = dsse.new_private_pem()
PUBLIC = dsse.public_pem(OWNER)
ASSETS = {"a.png": b"first", "b.png": b"second"}
TOKENS = [
    Token(2, "shirt", "Two", "b.png", manifest.fingerprint(b"second"), "SHIRT-M"),
    Token(1, "print", "One", "a.png", manifest.fingerprint(b"first")),
]
DOCUMENT = lease.document("harbour-lights", "quay-appliance1", 1, FACTS.grant_id, "0x" + "44" * 20, LEASES)


def test_a_manifest_is_read_as_it_was_signed() -> None:
    built = manifest.build("harbour-lights", TOKENS)
    assert [token.token_id for token in built.tokens] == [1, 2]
    assert manifest.verify(manifest.sign(built, OWNER), PUBLIC, ASSETS) == built
    assert manifest.digest(built.payload()).startswith("0x")


def test_a_manifest_names_each_token_once() -> None:
    with pytest.raises(ValueError, match="same id"):
        manifest.build("harbour-lights", [TOKENS[0], TOKENS[0]])


@pytest.mark.parametrize("assets", [{"a.png": b"first"}, {**ASSETS, "b.png": b"other"}])
def test_an_asset_that_is_not_the_manifests_is_refused(assets: dict[str, bytes]) -> None:
    signed = manifest.sign(manifest.build("harbour-lights", TOKENS), OWNER)
    with pytest.raises(NotVerified, match="token 2"):
        manifest.verify(signed, PUBLIC, assets)


def test_the_same_content_is_the_same_zip(tmp_path: Path) -> None:
    signed = manifest.sign(manifest.build("harbour-lights", TOKENS), OWNER)
    zipped = manifest.content_zip(signed, ASSETS)
    (tmp_path / "content.zip").write_bytes(zipped)
    assert zipped == manifest.content_zip(signed, dict(reversed(ASSETS.items())))
    assert manifest.read_content(tmp_path / "content.zip") == (signed, ASSETS)


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "content.zip").write_bytes(b"no zip")
    with pytest.raises(NotVerified):
        manifest.read_content(tmp_path / "content.zip")


def test_a_lease_is_read_as_it_was_signed() -> None:
    document = lease.verify(lease.sign(DOCUMENT, OWNER), PUBLIC)
    assert lease.payload(document) == DOCUMENT
    assert [held.quota for held in document.leases] == [4, 2]


def test_a_lease_of_another_owner_or_type_is_refused() -> None:
    with pytest.raises(NotVerified, match="owner"):
        lease.verify(lease.sign(DOCUMENT, dsse.new_private_pem()), PUBLIC)
    with pytest.raises(NotVerified, match="holds"):
        lease.verify(dsse.sign("application/json", DOCUMENT, OWNER), PUBLIC)


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"payload":1,"payloadType":"application/vnd.edgedrop.lease+json","signatures":[]}',
        b'{"payload":"","payloadType":"application/vnd.edgedrop.lease+json","signatures":[{"keyid":"a","sig":"AA=="}]}',
        b'{"payload":"","payloadType":"application/vnd.edgedrop.lease+json","signatures":[1]}',
        b'{"payload":"","payloadType":"application/vnd.edgedrop.lease+json","signatures":{}}',
        b"\xff",
    ],
)
def test_what_is_no_envelope_is_refused(envelope: bytes) -> None:
    with pytest.raises(NotVerified):
        lease.verify(envelope, PUBLIC)


def test_a_changed_payload_is_refused() -> None:
    told = json.loads(lease.sign(DOCUMENT, OWNER))
    told["payload"] = json.loads(lease.sign(DOCUMENT.replace(b'"quota":4', b'"quota":5'), OWNER))["payload"]
    with pytest.raises(NotVerified, match="owner"):
        lease.verify(json.dumps(told).encode(), PUBLIC)


def _vouchers(told: facts.DropFacts = FACTS) -> list[dict[str, Any]]:
    state = grown().state
    batches = [voucher.Vouchers(told, state.leases, state.batches[number]) for number in range(len(state.batches))]
    return [msgspec.to_builtins(made.of(index)) for made in batches for index in range(len(made.batch.claims))]


def test_every_voucher_verifies_with_the_grants_key() -> None:
    vouchers = _vouchers()
    assert [one["token_id"] for one in vouchers] == ["1", "41", "2"]
    for one in vouchers:
        voucher.verify(msgspec.convert(one, voucher.Voucher), "0x" + address(LEASE_KEY).hex())


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("voucher", "seq", 1),
        ("voucher", "to", "0x" + "55" * 20),
        ("voucher", "grantId", "0x" + "55" * 32),
        ("batch", "batchSeq", 7),
        ("batch", "root", "0x" + "55" * 32),
        ("batch", "issuedAt", 1),
    ],
)
def test_a_changed_voucher_is_refused(part: str, field: str, value: Any) -> None:
    told = _vouchers()[0]
    told[part][field] = value
    with pytest.raises(NotVerified):
        voucher.verify(msgspec.convert(told, voucher.Voucher), "0x" + address(LEASE_KEY).hex())


def test_a_voucher_names_the_erc20_that_its_price_is_of() -> None:
    coin = facts.CurrencyFacts("0x" + "11" * 20, "USDX", 6)
    priced = msgspec.structs.replace(FACTS.tiers[1], price_wei=5, currency=coin)
    told = _vouchers(msgspec.structs.replace(FACTS, tiers=(FACTS.tiers[0], priced)))
    assert [(one["price_wei"], one.get("currency")) for one in told] == [("0", None), ("5", coin.address), ("0", None)]
    assert "currency" not in told[0]


def test_facts_are_read_and_unknown_keys_refused() -> None:
    told = msgspec.json.encode(FACTS)
    assert facts.parse(told) == FACTS
    with pytest.raises(msgspec.ValidationError, match="surprise"):
        facts.parse(told[:-1] + b',"surprise":1}')


def test_an_announced_price_survives_past_2_to_the_53() -> None:
    told = msgspec.structs.replace(FACTS.tiers[0], price_wei=10**18 + 1)
    drop = announcement.DropAnnouncement(1, "lights", "Lights", 1, "0x", "0x", 0, 1, 2, (told,))
    assert announcement.verify_drop(announcement.sign(drop, OWNER), PUBLIC) == drop


def test_a_grant_is_not_taken_for_a_drop() -> None:
    grant = announcement.GrantAnnouncement(1, "lights", "quay-spare1", "quay", 1, "0x", "0x", ())
    with pytest.raises(NotVerified, match="holds"):
        announcement.verify_drop(announcement.sign(grant, OWNER), PUBLIC)
