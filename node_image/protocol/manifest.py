"""The manifest: tokens with their assets' fingerprints, signed by the owner; and the zip that carries both."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import rfc8785

from node_image.protocol import dsse
from node_image.protocol.errors import NotVerified

PAYLOAD_TYPE = "application/vnd.edgedrop.manifest+json"
ENVELOPE = "manifest.dsse.json"
ASSETS = "assets/"
# A zip's dates are not content: all are the format's first day, so that the same drop is the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One token; `sha256` is the asset's, `asset` its name in the content's `assets/`."""

    token_id: int
    tier: str
    name: str
    asset: str
    sha256: str
    sku: str | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All tokens of a drop, by token id."""

    schema: int
    drop: str
    tokens: tuple[Token, ...]

    def payload(self) -> bytes:
        """Canonical JSON (RFC 8785): what is signed and what `digest` is over."""
        return rfc8785.dumps(msgspec.to_builtins(self))


def build(drop: str, tokens: Iterable[Token]) -> Manifest:
    """The manifest of these tokens, by token id; ValueError when two share one."""
    ordered = tuple(sorted(tokens, key=lambda token: token.token_id))
    if len({token.token_id for token in ordered}) != len(ordered):
        raise ValueError("two tokens have the same id")
    return Manifest(1, drop, ordered)


def fingerprint(asset: bytes) -> str:
    """SHA-256 of an asset's bytes, hex."""
    return hashlib.sha256(asset).hexdigest()


def digest(payload: bytes) -> str:
    """SHA-256 of the canonical manifest, as it stands on chain (0x hex)."""
    return "0x" + hashlib.sha256(payload).hexdigest()


def sign(manifest: Manifest, private_pem: bytes) -> bytes:
    """The manifest in the owner's envelope."""
    return dsse.sign(PAYLOAD_TYPE, manifest.payload(), private_pem)


def verify(envelope: bytes, public_pem: bytes, assets: Mapping[str, bytes]) -> Manifest:
    """The manifest, when the owner signed it and every asset is the one it names; else NotVerified."""
    payload = dsse.verify(envelope, PAYLOAD_TYPE, public_pem)
    try:
        manifest = msgspec.json.decode(payload, type=Manifest)
    except msgspec.ValidationError as fault:
        raise NotVerified(f"the manifest is not of schema 1: {fault}") from fault
    for token in manifest.tokens:
        _verify_asset(token, assets)
    return manifest


def _verify_asset(token: Token, assets: Mapping[str, bytes]) -> None:
    if token.asset not in assets:
        raise NotVerified(f"token {token.token_id}: its asset {token.asset} is missing")
    if fingerprint(assets[token.asset]) != token.sha256:
        raise NotVerified(f"token {token.token_id}: {token.asset} is not the file that the manifest names")


def content_zip(envelope: bytes, assets: Mapping[str, bytes]) -> bytes:
    """Manifest and assets in one file; the same input gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(ENVELOPE, EPOCH), envelope)
        for name in sorted(assets):
            archive.writestr(zipfile.ZipInfo(ASSETS + name, EPOCH), assets[name])
    return out.getvalue()


def read_content(path: Path) -> tuple[bytes, dict[str, bytes]]:
    """The envelope and the assets by name; NotVerified when it is no such zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith(ASSETS)]
            return archive.read(ENVELOPE), {name.removeprefix(ASSETS): archive.read(name) for name in names}
    except (OSError, KeyError, zipfile.BadZipFile) as fault:
        raise NotVerified(f"{path.name} is no drop content: {fault}") from fault
