"""A receipt against a real chain, by the command line and by a real browser; the pages as a phone shows them."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.errors import NotVerified
from infra.home import ROOT, cache
from infra.ops.verify import verify
from node_image.protocol import receipt
from node_image.protocol.receipt import LeaseBody, Receipt
from node_image.protocol.voucher import Voucher
from tests.browser import Tab, chromium, missing
from tests.e2e.contract_world import FREE, RELAYER, World, anvil, opening, wallet, world

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(missing()), reason=missing())]
NODE, START, QUOTA = "quay-appliance1", 1, 400
VECTORS = json.loads((ROOT / "tests" / "vectors" / "receipt.json").read_text())
FULL = VECTORS["receipts"][0]


@pytest.fixture(scope="module")
def chain_url() -> Iterator[str]:
    with anvil() as url:
        yield url


@pytest.fixture(scope="module")
def drop(chain_url: str) -> World:
    return world(chain_url)


@pytest.fixture(scope="module")
def made(drop: World) -> Receipt:
    """The receipt of one of five, redeemed."""
    grant = drop.open(NODE, [opening(FREE, START, QUOTA)])
    told = drop.vouchers(grant, [(FREE, seq, wallet(seq), 0) for seq in range(5)])
    done = drop.chain.redeem_many(RELAYER, drop.contract, told)
    lease = drop.chain.lease_of(drop.contract, grant, FREE)
    return receipt.make(whole(drop, grant, told[3]), 1, LeaseBody(**lease), tx=done.tx)


def whole(drop: World, grant: str, told: dict[str, Any]) -> Voucher:
    """With the names that a node puts to it."""
    body = {"grantId": grant, **told["voucher"]}
    names = {"schema": 1, "drop": "drop", "node": NODE, "chain_id": 31337, "contract": drop.contract}
    names["claim_id"] = f"{grant}{FREE}{body['seq']}{body['slot']}"
    return msgspec.convert({**told, **names, "voucher": body, "token_id": str(START + body["seq"])}, Voucher)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's folder, as anyone may put it anywhere."""
    folder = tmp_path_factory.mktemp("site") / "verify"
    shutil.copytree(ROOT / "node_image" / "mint" / "verify", folder)
    shutil.copy(cache() / "npm" / "node_modules" / "ethers" / "dist" / "ethers.umd.min.js", folder)
    return folder


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as found:
        yield found


def saved(folder: Path, name: str, data: bytes) -> Path:
    """As a download."""
    path = folder / name
    path.write_bytes(data)
    return path


def check(tab: Tab, url: str, file: Path, *, rpc: str = "", asset: Path | None = None) -> str:
    """As a person does it; the verdict."""
    tab.open(url)
    tab.give("#file", file)
    tab.type("#rpc", rpc)
    if asset:
        tab.give("#asset", asset)
    tab.click("#check")
    tab.until("!document.querySelector('#result').hidden")
    return tab.text("#verdict")


def steps(tab: Tab) -> dict[str, bool]:
    """By name, whether it was checked."""
    script = "[...document.querySelectorAll('#steps li')].map((li) => [li.dataset.step, li.className === 'yes'])"
    return dict(tab.run(script))


def test_the_command_line_follows_it_to_the_chain(
    made: Receipt, chain_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, "r.cbor", receipt.to_cbor(made))
    verify(file, rpc=chain_url, as_json=True)
    told = {step["name"]: step for step in json.loads(capsys.readouterr().out)["steps"]}
    assert {name for name, step in told.items() if not step["checked"]} == {
        "manifest",
        "asset",
        "anchor",
        "timestamp",
        "contract",
    }
    assert str(made.tx) in told["redeemed"]["told"]
    file.write_bytes(receipt.to_json(msgspec.structs.replace(made, tx="0x" + "11" * 32)))
    with pytest.raises(NotVerified, match="did not redeem"):
        verify(file, rpc=chain_url)


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_the_page_follows_it_to_the_chain_from_a_file(
    tab: Tab, site: Path, made: Receipt, chain_url: str, tmp_path: Path, form: str
) -> None:
    data = receipt.to_cbor(made) if form == "cbor" else receipt.to_json(made)
    tab.asked.clear()
    assert check(tab, f"file://{site}/index.html", saved(tmp_path, f"r.{form}", data), rpc=chain_url) == "Genuine"
    assert {name for name, checked in steps(tab).items() if checked} == {
        "leaf",
        "key",
        "lease",
        "price",
        "signed at",
        "grant",
        "redeemed",
    }
    assert {url for url in tab.asked if not url.startswith(f"file://{site}/")} <= {chain_url, f"{chain_url}/", "data:,"}
    assert tab.said == []
    assert tab.run("document.documentElement.scrollWidth") <= 390, "it fits a phone"


def test_the_page_refuses_what_the_chain_does_not_bear_out(
    tab: Tab, site: Path, made: Receipt, chain_url: str, tmp_path: Path
) -> None:
    url = f"file://{site}/index.html"
    foreign = saved(tmp_path, "foreign.json", json.dumps(FULL["receipt"]).encode())
    assert check(tab, url, foreign, rpc=chain_url) == "Do not accept it"
    assert "no such grant" in tab.text("#summary").lower()
    good = saved(tmp_path, "good.json", receipt.to_json(made))
    assert check(tab, url, good, rpc="http://127.0.0.1:9") == "Could not check it"


@pytest.fixture
def host(site: Path) -> Iterator[str]:
    """Any static host."""
    yield from _serve(site)


def _serve(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the library's name
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_from_a_static_host_it_holds_the_picture_against_the_receipt(tab: Tab, host: str, tmp_path: Path) -> None:
    file = saved(tmp_path, "full.cbor", bytes.fromhex(FULL["compact"]))
    picture = saved(tmp_path, "picture.png", bytes.fromhex(VECTORS["asset"][2:]))
    assert "nothing proven" in check(tab, host, file, asset=picture)
    assert steps(tab)["asset"]
    assert "0x901359" in tab.text("#path")
    assert check(tab, host, file, asset=saved(tmp_path, "other.png", b"other")) == "Do not accept it"


DROP = {"title": "Lights", "drop": "lights", "geo": "quay", "closes_at": 1_790_000_000, "redeem_by": 1_790_600_000}
COIN = {"address": "0x" + "11" * 20, "symbol": "USDX", "decimals": 6}
PRICES = [
    ("0", None, "free"),
    ("10000000000000000", None, "pay to redeem 0.01 ETH"),
    ("5000000", COIN, "pay to redeem 5 USDX"),
]


@pytest.fixture
def claim_page(tmp_path: Path) -> Iterator[str]:
    """The claim page with what a mint tells it, and no mint."""
    for name in ("page", "static", "v1"):
        (tmp_path / name).mkdir()
    for file in (ROOT / "node_image" / "mint" / "page").iterdir():
        shutil.copy(file, tmp_path / ("" if file.name == "index.html" else "page"))
    shutil.copy(cache() / "npm" / "node_modules" / "ethers" / "dist" / "ethers.umd.min.js", tmp_path / "static")
    tiers = [
        {"name": f"t{at}", "title": f"T{at}", "left": 5, "wallet_cap": 1, "price_wei": price, "currency": currency}
        for at, (price, currency, _) in enumerate(PRICES)
    ]
    (tmp_path / "v1" / "drop").write_text(json.dumps(DROP | {"tiers": tiers}))
    yield from _serve(tmp_path)


def test_the_claim_page_says_what_redeeming_takes(tab: Tab, claim_page: str) -> None:
    tab.open(claim_page)
    tab.until("document.querySelectorAll('.tier').length === 3")
    told = tab.run("[...document.querySelectorAll('.tier .facts')].map((one) => one.textContent)")
    assert told == [f"5 left here · {says}" for _, _, says in PRICES]
    ticket = {"token_id": "7", "node": "quay-spare1", "price_wei": "5000000", "batch": {"issuedAt": 1_789_000_000}}
    tab.run(f"localStorage.setItem('edgedrop.lights.t2.0.voucher', {json.dumps(json.dumps(ticket))})")
    tab.open(claim_page)
    tab.until("document.querySelector('.ticket') !== null")
    due = tab.text(".ticket .yours")
    assert due.startswith("It is kept for you until ")
    assert due.endswith(": pay to redeem 5 USDX.")
