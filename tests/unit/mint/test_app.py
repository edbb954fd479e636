"""The mint before a real signer: what a buyer is told, in every case."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from node_image.cooling import told
from node_image.mint.app import Mint, make_app
from node_image.mint.asking import Asking
from node_image.mint.drain import Drain
from node_image.mint.heat import Heat
from node_image.mint.metrics import ClaimMetrics
from node_image.mint.receipts import Ledger
from node_image.protocol import address, audit, manifest, merkle, receipt, voucher
from node_image.protocol.receipt import Receipt
from node_image.protocol.rules import Claim
from node_image.recovery import drained
from node_image.recovery.drained import Drained
from node_image.signer.client import SignerClient
from tests.drop_on_disk import Drop, make_drop, softhsm_missing

pytestmark = pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Drop:
    """A node's files."""
    return make_drop(tmp_path_factory.mktemp("node") / "d")


@pytest.fixture(scope="module")
def http(drop: Drop) -> Iterator[TestClient]:
    """The mint's application before a signer that holds a lease of 4 and answered the claim "kept"."""
    process = drop.signer()
    try:
        key = str(drop.ask("address")["key"])
        with TestClient(app(drop)) as client:
            assert client.get("/readyz").status_code == 503
            client.portal.call(give_lease, drop, key)  # type: ignore[union-attr]  # open inside `with`
            client.post("/v1/claims", json=body(drop.claim("kept"))).raise_for_status()
            yield client
    finally:
        process.kill()
        process.wait()


async def give_lease(drop: Drop, key: str) -> None:
    """As the courier does it."""
    client = SignerClient(drop.socket)
    await client.ask("lease", envelope=drop.lease(key, quota=4))
    await drop.witness.vouch(client)


def app(
    drop: Drop,
    metrics: ClaimMetrics | None = None,
    ledger: Ledger | None = None,
    heat: Heat | None = None,
    drain: Drain | None = None,
) -> Starlette:
    """The application over the drop's content."""
    envelope, assets = manifest.read_content(drop.folder / "drop" / "content.zip")
    found = manifest.verify(envelope, drop.facts.owner_public_key.encode(), assets)
    asking, counted, asked = Asking(SignerClient(drop.socket)), metrics or ClaimMetrics(), ledger or Ledger()
    heat, drain = heat or Heat(drop.folder / "no"), drain or Drain(drop.folder / "no")
    return make_app(Mint(drop.facts, found, assets, asking, counted, drop.folder, asked, heat, drain))


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
        ({"to": None}, 400, "bad_claim"),
        ({"claim_key": "0x" + "12" * 20}, 400, "bad_claim"),
        ({"to": None, "claim_key": "0x" + "12" * 20}, 400, "bad_claim"),
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


def test_a_claim_is_for_a_wallet_or_a_claim_key_and_a_no_says_so(drop: Drop, http: TestClient) -> None:
    for changes in ({"to": None}, {"claim_key": "0x" + "12" * 20}):
        told = http.post("/v1/claims", json=body(drop.claim("whose"), **changes)).json()["error"]
        assert "`to`, a wallet, or `claim_key`" in told["message"]


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


def test_a_receipt_is_given_in_both_forms_by_the_node_alone(drop: Drop, http: TestClient) -> None:
    answer = http.get("/v1/receipts/kept")
    compact = http.get("/v1/receipts/kept", headers={"Accept": "application/cbor"})
    made = receipt.read(answer.content)
    assert isinstance(made, Receipt)
    assert receipt.read(compact.content) == msgspec.structs.replace(made, voucher=checksummed(made.voucher))
    assert (made.status, made.tx, made.path.rsplit("/", 3)[0]) == ("not yet anchored", None, "lights/quay-appliance1")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="lights-100.receipt.json"'
    assert compact.headers["Content-Type"] == "application/cbor"
    assert made.manifest is not None
    assert made.manifest.digest("lights") == drop.facts.manifest_digest
    steps = audit.audit(made, audit.Known(key=str(drop.ask("address")["key"]), asset=b"a picture"))
    assert {step.name for step in steps if step.checked} == {"leaf", "key", "signed at", "asset"}
    assert http.get("/v1/receipts/nobody").status_code == 404


def checksummed(made: voucher.Voucher) -> voucher.Voucher:
    """The compact form has no letters, so it gives the contract's address back as people write it."""
    return msgspec.structs.replace(made, contract=address.checksummed(bytes.fromhex(made.contract[2:])))


def test_anchor_and_transaction_come_from_the_hubs_ledger_and_the_anchor_is_kept(drop: Drop, http: TestClient) -> None:
    made = http.get("/v1/claims/kept").json()
    digest = receipt.batch_digest(msgspec.convert(made, voucher.Voucher))
    root = "0x" + merkle.root([digest, bytes(32)]).hex()
    anchor = {"root": root, "proof": ["0x" + "00" * 32], "number": 0, "tx": "0x" + "aa" * 32, "block": 7}
    said = {
        "anchors": anchor | {"timestamp": base64.b64encode(b"reply").decode()},
        "vouchers": {"tx": "0x" + "bb" * 32},
    }
    with hub(said) as (url, asked), TestClient(app(drop, ledger=Ledger(url))) as client:
        first = msgspec.json.decode(client.get("/v1/receipts/kept").content, type=Receipt)
        client.get("/v1/receipts/kept")
        grant, number = made["batch"]["grantId"], made["batch"]["batchSeq"]
        place = f"/v1/vouchers/{grant}/0/{made['voucher']['seq']}"
        assert asked == [f"/v1/anchors/{grant}/{number}", place, place]
    assert (first.status, first.tx) == ("anchored", "0x" + "bb" * 32)
    assert first.anchor is not None
    assert first.anchor.timestamp == b"reply"


def test_a_timestamp_that_comes_after_the_anchor_is_asked_for_again(drop: Drop, http: TestClient) -> None:
    made = http.get("/v1/claims/kept").json()
    root = receipt.batch_digest(msgspec.convert(made, voucher.Voucher))
    anchor: dict[str, object] = {"root": "0x" + root.hex(), "proof": [], "tx": "0x" + "aa" * 32, "timestamp": None}
    said: dict[str, object] = {"anchors": anchor}
    ledger = Ledger()
    with hub(said) as (ledger.url, _), TestClient(app(drop, ledger=ledger)) as client:
        first = client.get("/v1/receipts/kept").json()["anchor"]
        said["anchors"] = anchor | {"timestamp": base64.b64encode(b"reply").decode()}
        second = client.get("/v1/receipts/kept").json()["anchor"]
    assert (first["tx"], second["tx"]) == (anchor["tx"], anchor["tx"])
    assert (first["timestamp"], second["timestamp"]) == (None, "cmVwbHk=")


def test_a_ledger_that_knows_nothing_yet_or_is_away_costs_nobody_a_receipt(drop: Drop, http: TestClient) -> None:
    assert http.get("/readyz").status_code == 200
    with hub({}) as (url, asked), TestClient(app(drop, ledger=Ledger(url))) as client:
        assert client.get("/v1/receipts/kept").json()["status"] == "not yet anchored"
        assert len(asked) == 2
    away = Ledger("http://127.0.0.1:9")
    with TestClient(app(drop, ledger=away)) as client:
        assert client.get("/v1/receipts/kept").json()["status"] == "not yet anchored"
        assert away._quiet_until > time.monotonic()


@contextmanager
def hub(said: dict[str, object]) -> Iterator[tuple[str, list[str]]]:
    """A ledger's HTTP: what it says of anchors and vouchers, 404 where it says nothing; and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            found = said.get(self.path.split("/")[2])
            data = json.dumps(found or {"error": {}}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the library's name
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_the_verifier_is_served_and_may_ask_the_node_that_a_person_names(http: TestClient) -> None:
    page = http.get("/verify")
    assert page.url.path == "/verify/"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src http: https:" in policy
    assert 'src="http' not in page.text
    for name in ("verify.js", "page.js", "style.css"):
        assert http.get(f"/verify/{name}").status_code == 200
    for name in ("none.js", "../app.py", "%2e%2e/app.py"):
        assert http.get(f"/verify/{name}").status_code == 404


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
    away = Mint(drop.facts, found, assets, Asking(SignerClient(Path("/nowhere"))), ClaimMetrics(), drop.folder)
    with TestClient(make_app(away)) as client:
        answer = client.post("/v1/claims", json=body(drop.claim("x")))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert client.get("/livez").status_code == 200


def test_too_hot_it_takes_no_claim_and_is_out_of_the_front_and_still_finds_what_it_gave(
    drop: Drop, http: TestClient, tmp_path: Path
) -> None:
    assert http.get("/readyz").status_code == 200
    file = tmp_path / told.FILE
    heat = told.Told(1, "stop", 0, "die is 2.0 degrees below its limit", None, 255, None, (), ())
    asked = body(drop.claim("hot"))
    with TestClient(app(drop, heat=Heat(file))) as client:
        told.write(file, heat)
        refused = client.post("/v1/claims", json=asked)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_hot")
        assert refused.headers["Retry-After"] == "10"
        assert (client.get("/readyz").status_code, client.get("/v1/status").json()["ready"]) == (503, False)
        assert "2.0 degrees" in client.get("/v1/status").json()["reason"]
        assert client.get("/v1/claims/kept").status_code == 200
        told.write(file, msgspec.structs.replace(heat, rung="drain"))
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/claims", json=asked).json().get("error", {}).get("code") != "too_hot"


def test_drained_it_takes_no_new_claim_and_answers_what_it_sold(drop: Drop, http: TestClient, tmp_path: Path) -> None:
    assert http.get("/readyz").status_code == 200
    with TestClient(app(drop, drain=Drain(tmp_path))) as client:
        drained.write(tmp_path, Drained(7, "responder", "a new disk"))
        refused = client.post("/v1/claims", json=body(drop.claim("new")))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "drained")
        assert refused.headers["Retry-After"] == "10"
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "drained by the responder: a new disk")
        sold = client.get("/v1/claims/kept").json()
        same = body(drop.claim("kept"), to=sold["voucher"]["to"])
        kept = client.post("/v1/claims", json=same)
        assert (kept.status_code, kept.json()) == (200, sold)
        for other in (same | {"slot": 1}, same | {"to": "0x" + "01" * 20}, {}):
            assert client.post("/v1/claims", json=other).status_code == 503
        large = client.post("/v1/claims", content=b"x" * 9000)
        assert (large.status_code, large.json()["error"]["code"]) == (400, "bad_claim"), "as where it sells"
        (tmp_path / drained.FILE).write_text("{")
        assert client.get("/readyz").status_code == 503, "one that can't be read is lifted by undrain alone"
        drained.lift(tmp_path)
        assert client.get("/readyz").status_code == 200


def test_an_agent_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    file = tmp_path / told.FILE
    told.write(file, told.Told(1, "stop", 0, "die", None, 255, None, (), ()))
    heat = Heat(file)
    assert heat.stopped() == "too hot: die"
    old = time.time() - told.FRESH_S - 1
    os.utime(file, (old, old))
    assert heat.stopped() == ""
    file.write_text("{")
    assert heat.stopped() == ""
    file.unlink()
    assert heat.stopped() == ""
