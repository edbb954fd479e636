"""The mint's routes (docs/architecture.md). Thin: parse, ask the signer, answer."""

from __future__ import annotations

import mimetypes
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node_image.mint.asking import Asking
from node_image.mint.claims import BadClaim, Problem, answers, problem, read_claim, read_receiver
from node_image.mint.drain import Drain
from node_image.mint.heat import Heat
from node_image.mint.metrics import ClaimMetrics
from node_image.mint.receipts import Ledger, Receipts
from node_image.mint.reserves import picture, with_picture
from node_image.protocol import receipt
from node_image.protocol.facts import DropFacts
from node_image.protocol.manifest import Manifest
from node_image.signer.client import SignerAway, SignerRefused

PAGE = Path(__file__).parent / "page"
MAX_BODY = 8192
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'"
CBOR = "application/cbor"
VERIFIER = Path(__file__).parent / "verify"
VERIFIER_FILES = ("index.html", "verify.js", "page.js", "style.css")
ETHERS = "ethers.umd.min.js"
# As the claim page's, but for the chain node that the person names.
VERIFIER_POLICY = POLICY.replace("img-src 'self'; connect-src 'self'", "img-src data:; connect-src http: https:")
# An asset is the artist's, not ours: a browser shows it, and runs nothing that stands in it.
ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
}
NOT_FOUND = Problem(HTTPStatus.NOT_FOUND, "not_found", "there is no such thing here", "see GET /v1/drop")
CLOSED_JOURNAL = Problem(
    HTTPStatus.GONE,
    "closed",
    "this node's journal is closed",
    "send voucher and signature to the contract: anybody may",
)
RETRY_RESERVED = {"Retry-After": "10"}
AWAY = problem("not_ready", "the signer does not answer")


@dataclass(frozen=True, slots=True)
class Mint:
    """What the routes need: the drop, its content, the signer, the counters."""

    facts: DropFacts
    manifest: Manifest
    assets: dict[str, bytes]
    signer: Asking
    metrics: ClaimMetrics
    static: Path
    ledger: Ledger = field(default_factory=Ledger)
    heat: Heat = field(default_factory=Heat)
    drain: Drain = field(default_factory=Drain)

    async def claim(self, request: Request) -> Response:
        """POST /v1/claims; no new one is taken while the node is too hot or drained, those it took are answered."""
        began, body = time.perf_counter(), await request.body()
        if len(body) > MAX_BODY:
            return _problem(problem("bad_claim", f"a claim has at most {MAX_BODY} bytes"))
        if stopped := self._stopped():
            return await self._taken_before(body, stopped, began)
        return await self._claim(body, began)

    async def _taken_before(self, body: bytes, stopped: Problem, began: float) -> Response:
        """The voucher again of a claim that has one here; its own signer alone is asked, and signs nothing."""
        try:
            asked = read_claim(body, self.facts)
            told = await self.signer.own.ask("find", claim_id=asked["claim_id"])
        except (BadClaim, SignerRefused, SignerAway):
            return self._refuse(stopped, began)
        return _json(told) if answers(told, asked) else self._refuse(stopped, began)

    async def _claim(self, body: bytes, began: float) -> Response:
        try:
            asked = read_claim(body, self.facts)
            told = await self.signer.ask("claim", **asked)
        except BadClaim as fault:
            return self._refuse(problem("bad_claim", str(fault)), began)
        except SignerRefused as refusal:
            return self._refuse(self._no(refusal), began)
        except SignerAway:
            return self._refuse(AWAY, began)
        if "reserve" in told:
            self.metrics.answered("reserve", time.perf_counter() - began)
            return _reserved(told)
        self.metrics.answered("voucher", time.perf_counter() - began)
        return _json(told["voucher"], HTTPStatus.CREATED if told["new"] else HTTPStatus.OK)

    async def find(self, request: Request) -> Response:
        """GET /v1/claims/{claim_id}."""
        try:
            told = await self.signer.ask("find", claim_id=request.path_params["claim_id"])
        except SignerRefused as refusal:
            return _problem(problem(refusal.code, str(refusal), refusal.retry_after_s))
        except SignerAway:
            return _problem(AWAY)
        return _reserved(told) if "reserve" in told else _json(told)

    async def picture(self, request: Request) -> Response:
        """GET /v1/claims/{claim_id}/qr: the voucher, or the reserve voucher, as an SVG."""
        try:
            found = await self.signer.ask("find", claim_id=request.path_params["claim_id"])
        except SignerRefused as refusal:
            return _problem(problem(refusal.code, str(refusal)))
        except SignerAway:
            return _problem(AWAY)
        return Response(picture(found.get("reserve", found)), media_type="image/svg+xml")

    async def receive(self, request: Request) -> Response:
        """PUT /v1/claims/{claim_id}/receiver: whom the claim's key names."""
        try:
            named = read_receiver(await request.body())
            await self.signer.ask("receive", claim_id=request.path_params["claim_id"], **named)
        except BadClaim as fault:
            return _problem(problem("bad_claim", str(fault)))
        except SignerRefused as refusal:
            return _problem(CLOSED_JOURNAL if refusal.code == "closed" else problem(refusal.code, str(refusal)))
        except SignerAway:
            return _problem(AWAY)
        return _json({"receiver": "0x" + named["receiver"].hex()})

    async def receipt(self, request: Request) -> Response:
        """GET /v1/receipts/{claim_id}: JSON, or with `Accept: application/cbor` the compact form."""
        try:
            made = await request.app.state.receipts.find(request.path_params["claim_id"])
        except SignerRefused as refusal:
            return _problem(problem(refusal.code, str(refusal)))
        except SignerAway:
            return _problem(AWAY)
        compact = CBOR in request.headers.get("Accept", "")
        body, kind = (receipt.to_cbor(made), CBOR) if compact else (receipt.to_json(made), "application/json")
        name = f"{made.voucher.drop}-{made.voucher.token_id}.receipt.{'cbor' if compact else 'json'}"
        # Its anchor and its transaction come later: a copy that is kept would hide them.
        headers = {"Vary": "Accept", "Cache-Control": "no-store"}
        return Response(
            body, media_type=kind, headers=headers | {"Content-Disposition": f'attachment; filename="{name}"'}
        )

    async def verifier(self, request: Request) -> Response:
        """GET /verify/...: the page that checks a receipt; it runs from any place, also from a file."""
        name = request.path_params["file"] or "index.html"
        folder = self.static if name == ETHERS else VERIFIER
        if name != ETHERS and name not in VERIFIER_FILES:
            return _problem(NOT_FOUND)
        return FileResponse(folder / name, headers={"Content-Security-Policy": VERIFIER_POLICY})

    async def drop(self, _request: Request) -> Response:
        """GET /v1/drop: what a client needs to claim."""
        left = (await self._status()).get("left", {})
        tiers = [
            {**msgspec.to_builtins(tier), "price_wei": str(tier.price_wei), "left": left.get(str(tier.tier), 0)}
            | {"image": self._image(tier.name)}
            for tier in self.facts.tiers
        ]
        facts = self.facts
        window = {"opens_at": facts.opens_at, "closes_at": facts.closes_at, "redeem_by": facts.redeem_by}
        names = {"drop": facts.drop, "title": facts.title, "node": facts.node, "geo": facts.geo}
        return _json({**names, "chain_id": facts.chain_id, "contract": facts.contract, **window, "tiers": tiers})

    def _image(self, tier: str) -> str | None:
        return next((f"/assets/{token.asset}" for token in self.manifest.tokens if token.tier == tier), None)

    async def metadata(self, request: Request) -> Response:
        """GET /metadata/{token_id}: ERC-721 metadata JSON (EIP-721)."""
        number = request.path_params["token_id"]
        token = next((token for token in self.manifest.tokens if token.token_id == number), None)
        if token is None:
            return _problem(NOT_FOUND)
        traits = [{"trait_type": "tier", "value": token.tier}, {"trait_type": "sha256", "value": token.sha256}]
        return _json(
            {
                "name": token.name,
                "description": self.facts.title,
                "image": f"/assets/{token.asset}",
                "attributes": traits,
            }
        )

    async def asset(self, request: Request) -> Response:
        """GET /assets/{file}: the bytes whose fingerprint the manifest holds."""
        found = self.assets.get(request.path_params["file"])
        if found is None:
            return _problem(NOT_FOUND)
        kind = mimetypes.guess_type(request.path_params["file"])[0] or "application/octet-stream"
        return Response(found, media_type=kind, headers=ASSET_HEADERS)

    async def page(self, _request: Request) -> Response:
        """GET /."""
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY})

    async def live(self, _request: Request) -> Response:
        """GET /livez."""
        return _json({"live": True})

    async def ready(self, _request: Request) -> Response:
        """GET /readyz: neither too hot nor drained, and a signer is ready and holds a lease, its own or the hub's."""
        told = await self._status()
        ready = bool(told.get("ready")) or (not self._stopped() and await self.signer.cloud_ready(told))
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json({"ready": ready, "reason": told.get("reason", "")}, status)

    async def status(self, _request: Request) -> Response:
        """GET /v1/status: the signer's status with this process's percentiles."""
        own = {
            "claims": self.metrics.claims,
            "p50_ms": self.metrics.percentile_ms(0.5),
            "p99_ms": self.metrics.percentile_ms(0.99),
        }
        return _json(
            {"drop": self.facts.drop, "node": self.facts.node, "geo": self.facts.geo, **await self._status(), **own}
        )

    async def measures(self, _request: Request) -> Response:
        """GET /metrics."""
        return Response(generate_latest(self.metrics.registry), media_type="text/plain; version=0.0.4")

    async def _status(self) -> dict[str, Any]:
        try:
            told = await self.signer.ask("status")
        except SignerAway as fault:
            told = {"ready": False, "reason": str(fault)}
        stopped = self._stopped()
        return told | {"ready": False, "reason": stopped.message} if stopped else told

    def _stopped(self) -> Problem | None:
        """Why it takes no new claim; None where it does."""
        if too_hot := self.heat.stopped():
            return problem("too_hot", too_hot)
        drained = self.drain.stopped()
        return problem("drained", drained) if drained else None

    def _no(self, refusal: SignerRefused) -> Problem:
        """A grant that ended within the drop's window is this node's affair: a front sends the claim to another."""
        if refusal.code == "closed" and time.time() < self.facts.closes_at:
            return problem("closed_out", str(refusal))
        return problem(refusal.code, str(refusal), refusal.retry_after_s)

    def _refuse(self, answer: Problem, began: float) -> Response:
        self.metrics.answered(answer.code, time.perf_counter() - began)
        return _problem(answer)


def make_app(mint: Mint) -> Starlette:
    """The application; every answer names its node."""
    routes = [
        Route("/", mint.page),
        Route("/v1/claims", mint.claim, methods=["POST"]),
        Route("/v1/claims/{claim_id}", mint.find),
        Route("/v1/claims/{claim_id}/qr", mint.picture),
        Route("/v1/claims/{claim_id}/receiver", mint.receive, methods=["PUT"]),
        Route("/v1/receipts/{claim_id}", mint.receipt),
        Route("/v1/drop", mint.drop),
        Route("/v1/status", mint.status),
        Route("/metadata/{token_id:int}", mint.metadata),
        Route("/assets/{file:path}", mint.asset),
        Route("/livez", mint.live),
        Route("/readyz", mint.ready),
        Route("/metrics", mint.measures),
        Route("/verify", lambda _: RedirectResponse("/verify/")),
        Route("/verify/{file:path}", mint.verifier),
        Mount("/page", StaticFiles(directory=PAGE)),
        Mount("/static", StaticFiles(directory=mint.static, check_dir=False)),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(NameNode, node=mint.facts.node)])
    app.state.receipts = Receipts.of(mint.facts, mint.manifest, mint.signer, mint.ledger)
    return app


class NameNode:
    """Adds `X-Edgedrop-Node` to every answer: who answered is the first question of every incident."""

    def __init__(self, app: ASGIApp, node: str) -> None:
        self._app, self._header = app, (b"x-edgedrop-node", node.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the header."""

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._header]
            await send(message)

        await self._app(scope, receive, named)


def _json(found: object, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(found), status, headers, "application/json")


def _reserved(told: dict[str, Any]) -> Response:
    return _json(with_picture(told["reserve"]), HTTPStatus.ACCEPTED, RETRY_RESERVED)


def _problem(answer: Problem) -> Response:
    headers = {"Retry-After": str(answer.retry_after_s)} if answer.retry_after_s else None
    return Response(answer.body(), answer.status, headers, "application/json")
