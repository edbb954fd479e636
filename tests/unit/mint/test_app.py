"""The mint before a real signer: what a buyer is told, in every case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from node_image.mint.app import Mint, make_app
from node_image.mint.metrics import ClaimMetrics
from node_image.protocol import manifest, voucher
from node_image.protocol.rules import Claim
from node_image.signer.client import SignerClient
from tests.drop_on_disk import Drop, make_drop, softhsm_missing

pytestmark = pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Drop:
    """A node's files."""
    return make_drop(tmp_path_factory.mktemp("node") / "d")


@pytest.fixture(scope="module")
def http(drop: Drop) -> Iterator[TestClient]:
    """The mint's application before a signer that holds a lease of 3."""
    process = drop.signer()
    try:
        key = str(drop.ask("address")["key"])
        with TestClient(app(drop)) as client:
            assert client.get("/readyz").status_code == 503
            client.portal.call(give_lease, drop, key)  # type: ignore[union-attr]  # open inside `with`
            yield client
    finally:
        process.kill()
        process.wait()


async def give_lease(drop: Drop, key: str) -> None:
    """As the courier does it."""
    await SignerClient(drop.socket).ask("lease", envelope=drop.lease(key, quota=3))


def app(drop: Drop, metrics: ClaimMetrics | None = None) -> Starlette:
    """The application over the drop's content."""
    envelope, assets = manifest.read_content(drop.folder / "drop" / "content.zip")
    found = manifest.verify(envelope, drop.facts.owner_public_key.encode(), assets)
    return make_app(Mint(drop.facts, found, assets, SignerClient(drop.socket), metrics or ClaimMetrics(), drop.folder))


def body(claim: Claim, **changes: object) -> dict[str, object]:
    """What a client posts."""
    told = {"claim_id": claim.claim_id, "tier": "print", "to": "0x" + claim.to.hex(), "slot": claim.slot}
    return told | {"signature": "0x" + claim.signature.hex()} | changes


def test_a_claim_is_created_once_and_known_after(drop: Drop, http: TestClient) -> None:
    asked = body(drop.claim("first"))
    created, known = http.post("/v1/claims", json=asked), http.post("/v1/claims", json=asked)
    assert (created.status_code, known.status_code) == (201, 200)
    assert created.json() == known.json() == http.get("/v1/claims/first").json()
    voucher.verify(msgspec.convert(created.json(), voucher.Voucher), str(drop.ask("address")["key"]))
    assert created.headers["X-Edgedrop-Node"] == "quay-appliance1"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"tier": "nothing"}, 400, "bad_claim"),
        ({"to": "0x12"}, 400, "bad_claim"),
        ({"signature": "0x" + "11" * 65}, 400, "bad_claim"),
        ({"extra": 1}, 400, "bad_claim"),
        ({"slot": 7}, 403, "wallet_cap"),
        ({"claim_id": ""}, 400, "bad_claim"),
    ],
)
def test_a_bad_claim_is_told_what_is_wrong(
    drop: Drop, http: TestClient, changes: dict[str, object], status: int, code: str
) -> None:
    answer = http.post("/v1/claims", json=body(drop.claim("bad"), **changes))
    told = answer.json()["error"]
    assert (answer.status_code, told["code"]) == (status, code)
    assert told["message"]
    assert told["hint"]


def test_sold_out_after_the_quota_and_never_a_token_more(drop: Drop, http: TestClient) -> None:
    answers = [http.post("/v1/claims", json=body(drop.claim(f"rush{number}"))) for number in range(6)]
    made = [answer.json()["token_id"] for answer in answers if answer.status_code == 201]
    assert len(made) == len(set(made)) <= 3
    assert answers[-1].status_code == 410
    assert http.get("/v1/drop").json()["tiers"][0]["left"] == 0


def test_unknown_things_are_not_found(http: TestClient) -> None:
    for path in ("/v1/claims/nobody", "/metadata/999", "/assets/none.png"):
        assert http.get(path).status_code == 404


def test_metadata_and_asset_are_the_manifests(http: TestClient) -> None:
    told = http.get("/metadata/100").json()
    image = http.get(told["image"])
    assert (image.content, image.headers["Content-Type"]) == (b"a picture", "image/png")
    assert image.headers["Content-Security-Policy"] == "sandbox"


def test_the_page_asks_nobody_else(http: TestClient) -> None:
    page = http.get("/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "http" not in page.text.replace("http-equiv", "")
    assert http.get("/page/claim.js").status_code == 200


def test_status_has_percentiles_and_the_signers_words(drop: Drop, http: TestClient) -> None:
    http.post("/v1/claims", json=body(drop.claim("status")))  # the first, or one too many: either way some are issued
    metrics = ClaimMetrics()
    for seconds in (0.004, 0.002):
        metrics.answered("voucher", seconds)
    with TestClient(app(drop, metrics)) as client:
        told = client.get("/v1/status").json()
    assert told["ready"] is True
    assert (told["claims"], told["p50_ms"], told["p99_ms"]) == (2, 4.0, 4.0)
    assert told["issued"]["0"] >= 1


def test_with_no_signer_it_is_not_ready_and_says_so(drop: Drop) -> None:
    envelope, assets = manifest.read_content(drop.folder / "drop" / "content.zip")
    found = manifest.verify(envelope, drop.facts.owner_public_key.encode(), assets)
    away = Mint(drop.facts, found, assets, SignerClient(Path("/nowhere")), ClaimMetrics(), drop.folder)
    with TestClient(make_app(away)) as client:
        answer = client.post("/v1/claims", json=body(drop.claim("x")))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/livez").status_code == 200
