"""A buyer at a node that can't sign: a reserve voucher and its picture, then the voucher for the same claim."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import msgspec

from node_image.mint.app import Mint, make_app
from node_image.mint.asking import Asking
from node_image.mint.metrics import ClaimMetrics
from node_image.protocol import manifest, reserve, voucher
from node_image.protocol.reserve import ReserveVoucher
from node_image.protocol.voucher import Voucher
from node_image.signer.client import SignerClient
from node_image.signer.core import Signer
from node_image.signer.outlook import WAIT_MS
from node_image.signer.server import SocketServer
from tests.unit.protocol.world import SEPARATOR, claim
from tests.unit.signer.box import Box


@asynccontextmanager
async def mint(box: Box, signer: Signer) -> AsyncIterator[httpx.AsyncClient]:
    """Its HTTP face before this signer."""
    server, running = await SocketServer(signer).serve(box.folder / "s"), asyncio.create_task(answering(signer))
    token = manifest.Token(1, "print", "Print 1", "1.png", manifest.fingerprint(b"a picture"))
    asking = Asking(SignerClient(box.folder / "s"))
    app = make_app(Mint(box.facts, manifest.build(box.facts.drop, [token]), {}, asking, ClaimMetrics(), box.folder))
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mint") as client:
            yield client
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        server.close()


async def answering(signer: Signer) -> None:
    """As `run` does it, without the helper process."""
    while True:
        await signer._answer(await signer._intake.take(1))


async def test_a_claim_is_accepted_and_later_created(tmp_path: Path) -> None:
    box = Box(tmp_path)
    signer = await box.start()
    asked = claim("a")
    body = {"claim_id": "a", "tier": "print", "to": "0x" + asked.to.hex(), "slot": asked.slot}
    body["signature"] = "0x" + asked.signature.hex()
    async with mint(box, signer) as http:
        early = await http.post("/v1/claims", json=body)
        assert (early.status_code, early.json()["error"]["code"]) == (503, "not_ready")
        box.now_ms += WAIT_MS
        told = await http.post("/v1/claims", json=body)
        assert (told.status_code, bool(told.headers["Retry-After"])) == (202, True)
        reserve.verify(msgspec.convert(told.json()["reserve"], ReserveVoucher), SEPARATOR, signer.reserves.address)
        found = await http.get("/v1/claims/a")
        assert (found.status_code, bool(found.headers["Retry-After"])) == (202, True)
        held = {name: found.json()["reserve"][name] for name in ("claim_id", "seq", "to")}
        assert held == {name: told.json()["reserve"][name] for name in held}
        receipt = await http.get("/v1/receipts/a")
        assert (receipt.status_code, receipt.json()["error"]["code"]) == (404, "not_found")
        picture = ET.fromstring(told.json()["qr"])  # noqa: S314  our own
        assert (picture.tag, bool(picture.attrib["viewBox"])) == ("{http://www.w3.org/2000/svg}svg", True)
        assert "style" not in told.json()["qr"], "the page's policy lets no style stand in it"
        await box.vouch(signer)
        made = await http.post("/v1/claims", json=body)
        assert made.status_code == 201
        voucher.verify(msgspec.convert(made.json(), Voucher), "0x" + signer.address.hex())
        assert (await http.get("/v1/claims/a")).json() == made.json()
        assert (made.json()["claim_id"], (await http.post("/v1/claims", json=body)).status_code) == ("a", 200)
